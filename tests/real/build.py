"""Build two inference servers that this project did not write, and two models for them.

Usage: python build.py FOLDER JOBS   (needs uv beside this Python, and a C++ compiler)

From the source distribution of llama-cpp-python on PyPI, checked against its hash: ``llama-server``
of the llama.cpp inside it, and the OpenAI server of llama-cpp-python itself, which uses the same
libraries, so that the long part is compiled once. Everything stays in FOLDER: ``venv`` holds Python
packages, ``source`` what was unpacked, ``llama.cpp`` what was compiled, ``small.gguf`` and
``large.gguf`` the models.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
UV = Path(sys.executable).with_name("uv")
# A small model is no faster when optimised further, and nothing is fetched while building.
OPTIONS = (
    "CMAKE_BUILD_TYPE=Release",
    "CMAKE_C_FLAGS_RELEASE=-O1",
    "CMAKE_CXX_FLAGS_RELEASE=-O1",
    "BUILD_SHARED_LIBS=ON",
    "GGML_LLAMAFILE=OFF",
    "GGML_OPENMP=OFF",
    "LLAMA_ALL_WARNINGS=OFF",
    "LLAMA_BUILD_APP=OFF",
    "LLAMA_BUILD_COMMIT=sdist",
    "LLAMA_BUILD_EXAMPLES=OFF",
    "LLAMA_BUILD_NUMBER=0",
    "LLAMA_BUILD_TESTS=OFF",
    "LLAMA_OPENSSL=OFF",
    "LLAMA_USE_PREBUILT_UI=OFF",
)


def main() -> None:
    """Make what is not there yet; a build that was broken off goes on where it stopped."""
    folder, jobs = Path(sys.argv[1]).resolve(), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    install = (UV, "pip", "install", "--quiet", "--python", python)
    run(*install, "--require-hashes", "-r", HERE / "requirements.txt")
    source = unpacked(folder, python)
    compiled(source / "vendor" / "llama.cpp", folder, jobs)
    # The libraries are those compiled above: the server finds them by LLAMA_CPP_LIB_PATH.
    run(
        *install,
        "--no-deps",
        "--no-build-isolation",
        source,
        CMAKE_ARGS="-DLLAMA_BUILD=OFF -DLLAVA_BUILD=OFF",
        PATH=f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    )
    for size in ("small", "large"):
        run(python, HERE / "model.py", folder / f"{size}.gguf", size)


def unpacked(folder: Path, python: Path) -> Path:
    """The source distribution that ``source.txt`` names, fetched once."""
    source, mark = folder / "source", folder / "source.txt"
    wanted = (HERE / "source.txt").read_text(encoding="utf-8")
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return source
    archives = folder / "sdist"
    shutil.rmtree(archives, ignore_errors=True)
    shutil.rmtree(source, ignore_errors=True)
    run(
        *(python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--require-hashes"),
        *("-r", HERE / "source.txt", "-d", archives),
    )
    (archive,) = archives.glob("*.tar.gz")
    shutil.unpack_archive(archive, archives)
    (inside,) = (path for path in archives.iterdir() if path.is_dir())
    inside.rename(source)
    mark.write_text(wanted, encoding="utf-8")
    return source


def compiled(source: Path, folder: Path, jobs: str) -> None:
    """Compile ``llama-server`` and the libraries that the Python server loads."""
    cmake, target = folder / "venv" / "bin" / "cmake", folder / "llama.cpp"
    run(cmake, "-S", source, "-B", target, *(f"-D{option}" for option in OPTIONS))
    run(cmake, "--build", target, "-j", jobs, "--target", "llama-server", "mtmd")


def run(*command: str | Path, **environ: str) -> None:
    """Run a command at the lowest priority; its failure ends the build with its own words."""
    line = [*(["nice", "-n", "19"] if shutil.which("nice") else []), *map(str, command)]
    done = subprocess.run(line, check=False, env={**os.environ, **environ})
    if done.returncode:
        sys.exit(f"build: failed ({done.returncode}): {' '.join(map(str, command))}")


if __name__ == "__main__":
    main()
