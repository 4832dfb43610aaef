# shellcheck shell=bash
# Finds a Python of at least 3.11 that the checkout did not bring, and hands over to start.py.
#
# Read by the step's own bash, so that no second one is looked up. Written for bash 3.2 (macOS) and
# for Git's bash (Windows). Nothing here runs inside the workspace: version managers' shims obey
# files of the folder that they run in.

here=$GITHUB_ACTION_PATH/action
quiet_place=${RUNNER_TEMP:-/}
workspace=$(cd -- "${GITHUB_WORKSPACE:-.}" && pwd -P)

# Prints the interpreter behind a name or path, if it is recent enough: not a version manager's shim,
# and not a virtual environment's, whose packages may have been installed by anybody.
interpreter() {
  local found
  found=$(cd -- "$quiet_place" && "$1" -I -S -c '
import sys
if sys.version_info >= (3, 11):
    print(getattr(sys, "_base_executable", None) or sys.executable)
' 2>/dev/null </dev/null) || return 1
  found=${found%$'\r'}
  [ -n "$found" ] && printf '%s\n' "$found"
}

# A folder on PATH that the checkout could have filled, or that depends on where we stand.
foreign() {
  local folder answer=1
  case $1 in /* | [A-Za-z]:*) ;; *) return 0 ;; esac
  folder=$(cd -- "$(dirname -- "$1")" 2>/dev/null && pwd -P) || return 0
  shopt -s nocasematch # as file systems of Windows and macOS are
  case $folder/ in "$workspace"/*) answer=0 ;; esac
  shopt -u nocasematch
  return $answer
}

# One candidate a line, the likeliest first: PATH, then what the runner's image brings.
candidates() {
  local name
  for name in python3 python py python3.14 python3.13 python3.12 python3.11; do
    type -aP "$name" || true
  done
  ls -d "${RUNNER_TOOL_CACHE:-/nonexistent}"/Python/3.*/*/bin/python3 2>/dev/null | sort -rV || true
  ls -d "${RUNNER_TOOL_CACHE:-/nonexistent}"/Python/3.*/*/python.exe 2>/dev/null | sort -rV || true
}

refuse() { # exit code, message
  printf '::error title=lens-gate::%s\n' "$2"
  printf 'exit-code=%s\n' "$1" >>"${GITHUB_OUTPUT:-/dev/null}"
  exit "$1"
}

python=
if [ -n "${INPUT_PYTHON:-}" ]; then
  case $INPUT_PYTHON in
    */* | *\\*) asked=$(cd -- "$workspace" && cd -- "$(dirname -- "${INPUT_PYTHON//\\//}")" && pwd)/$(basename -- "${INPUT_PYTHON//\\//}") ;;
    *) asked=$INPUT_PYTHON ;;
  esac
  python=$(interpreter "$asked") ||
    refuse 2 "The input 'python' names no Python 3.11 or later. Nothing was sent."
else
  while IFS= read -r candidate; do
    foreign "$candidate" && continue
    python=$(interpreter "$candidate") && break
  done < <(candidates)
  [ -n "$python" ] ||
    refuse 5 "No Python 3.11 or later was found on this runner (python3, python, py, the tool cache). Run actions/setup-python before this step, install python3 in the job's container, or name an interpreter with the input 'python'. Nothing was sent."
fi

exec "$python" -I -S "$here/start.py"
