"""A small runner of GitHub Actions: enough to run our own action and workflows as GitHub would.

Composite actions and jobs, step by step: inputs with their defaults, expressions, `env`, `if`,
`continue-on-error`, `working-directory`, `shell: bash` by GitHub's own command line, the files
behind GITHUB_OUTPUT, GITHUB_ENV, GITHUB_PATH and GITHUB_STEP_SUMMARY, workflow commands in the log,
and secrets masked in it. `actions/checkout` and `actions/upload-artifact` are played by git and by
a copy; no other action is known. From GitHub's documentation; shares no code with the package.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

from tests.e2e.action.expressions import Expressions, shown

OURS = re.compile(r"org/llm-latency-lens@\S+|\./")
_COMMAND = re.compile(
    r"^\s*::(?P<name>[a-z0-9-]+)(?: (?P<properties>[^:]*(?::(?!:)[^:]*)*))?::(.*)$"
)
_HEREDOC = re.compile(r"([^=\n]+?)<<(.+)")
SHELLS = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"]}


@dataclass
class Done:
    """What came of a step, or of a job: the last step's log comes last."""

    code: int = 0
    log: str = ""
    outputs: dict = field(default_factory=dict)
    summary: str = ""
    annotations: list = field(default_factory=list)
    steps: dict = field(default_factory=dict)
    artifacts: dict = field(default_factory=dict)


class Runner:
    """One job on a machine of its own: `workspace`, `temp`, the environment of its steps."""

    def __init__(self, scratch, *, action, event, environ, env=None, secrets=None):
        self.scratch, self.action, self.event = scratch, action, event
        self.workspace = scratch / "work" / "repo" / "repo"
        self.temp = scratch / "work" / "_temp"
        for folder in (self.workspace, self.temp, scratch / "tools", scratch / "files"):
            folder.mkdir(parents=True, exist_ok=True)
        payload = self.temp / "_github_workflow" / "event.json"
        payload.parent.mkdir(exist_ok=True)
        payload.write_text(json.dumps(event.payload), "utf-8")
        self.env = dict(env or {})  # the job's, and what steps wrote to GITHUB_ENV
        self.path = []
        self.secrets = {"GITHUB_TOKEN": event.token, **(secrets or {})}
        self._count = 0
        self._machine = {
            **environ,
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_PATH": str(payload),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temp),
            "RUNNER_TOOL_CACHE": str(scratch / "tools"),
            "RUNNER_OS": "Linux",
            **event.variables,
        }

    def contexts(self, **more):
        github = {
            name.removeprefix("GITHUB_").lower(): value for name, value in self._machine.items()
        }
        github |= {"token": self.event.token, "event": self.event.payload}
        runner = {"temp": str(self.temp), "os": "Linux"}
        return {"github": github, "runner": runner, "env": self.env, **more}

    # ---- a job ------------------------------------------------------------------------------

    def job(self, workflow, name=None, *, matrix=None):
        """Run a workflow's job, or one cell of it; its steps' results by id."""
        document = YAML(typ="safe").load(workflow)
        jobs = document["jobs"]
        job = jobs[name or next(iter(jobs))]
        whole, states, failed = Done(), {}, False
        for number, step in enumerate(job["steps"]):
            contexts = self.contexts(secrets=self.secrets, steps=states, matrix=matrix or {})
            ask = Expressions(contexts, failed=failed)
            if not ask.holds(step.get("if", "true")):
                continue
            done = self._step(step, ask, whole)
            conclusion = "failure" if done.code else "success"
            states[step.get("id", f"__{number}")] = {
                "outputs": done.outputs,
                "outcome": conclusion,
                "conclusion": conclusion,
            }
            whole.steps[step.get("id") or step.get("name") or step.get("uses")] = done
            whole.log += done.log
            whole.summary += done.summary
            whole.annotations += done.annotations
            if done.code and not step.get("continue-on-error"):
                failed, whole.code = True, whole.code or done.code
        return whole

    def _step(self, step, ask, whole):
        env = {name: ask.filled(shown(v)) for name, v in (step.get("env") or {}).items()}
        given = {name: ask.filled(shown(v)) for name, v in (step.get("with") or {}).items()}
        used = step.get("uses", "")
        if used.startswith("actions/checkout@"):
            return self._checkout(given)
        if used.startswith("actions/upload-artifact@"):
            return self._upload(given, whole)
        if used:
            assert OURS.fullmatch(used), f"this runner does not know {used}"
            here = self.workspace if used == "./" else self.action
            return self.composite(given, env, action=here)
        return self.shell(ask.filled(step["run"]), step.get("shell", "bash"), env)

    def _checkout(self, given):
        """What actions/checkout does: the event's own commit, with as much history as asked for."""
        depth = [] if given.get("fetch-depth") == "0" else ["--depth=1"]
        every = [] if depth else ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
        commit = self.event.variables["GITHUB_SHA"]

        def git(*arguments):
            subprocess.run(
                ["git", *arguments],
                cwd=self.workspace,
                env=self._machine,
                check=True,
                capture_output=True,
            )

        git("init", "-q", "-b", "main")
        git("remote", "add", "origin", self.event.remote)
        git("fetch", "-q", "--no-tags", *depth, "origin", *every, f"+{commit}:refs/remotes/event")
        git("checkout", "-q", "--detach", commit)
        return Done()

    def _upload(self, given, whole):
        kept = self.scratch / "artifacts" / given["name"]
        kept.mkdir(parents=True)
        for line in given["path"].split("\n"):
            source = Path(self.workspace, line.strip())
            if source.is_dir():
                shutil.copytree(source, kept, dirs_exist_ok=True)
            elif source.is_file():
                shutil.copy(source, kept)
        whole.artifacts[given["name"]] = kept
        return Done()

    # ---- an action --------------------------------------------------------------------------

    def composite(self, given=None, env=None, *, action=None):
        """Run our action with these inputs, and `env` on the step that uses it."""
        action = action or self.action
        given = dict(given or {})
        metadata = YAML(typ="safe").load((action / "action.yml").read_text("utf-8"))
        assert metadata["runs"]["using"] == "composite"
        unknown = set(given) - set(metadata["inputs"])
        assert not unknown, f"GitHub warns of inputs that are none: {unknown}"
        ask = Expressions(self.contexts())
        inputs = {
            name: shown(given[name]) if name in given else ask.filled(row.get("default", ""))
            for name, row in metadata["inputs"].items()
        }
        whole, states = Done(), {}
        for step in metadata["runs"]["steps"]:
            ask = Expressions(self.contexts(inputs=inputs, steps=states), failed=bool(whole.code))
            if not ask.holds(step.get("if", "true")):
                continue
            assert "uses" not in step, "an action inside our action"
            assert "${{" not in step["run"]
            own = {name: ask.filled(value) for name, value in (step.get("env") or {}).items()}
            place = {"GITHUB_ACTION_PATH": str(action)}
            done = self.shell(step["run"], step["shell"], {**(env or {}), **place, **own})
            states[step.get("id", "")] = {"outputs": done.outputs}
            whole.log += done.log
            whole.summary += done.summary
            whole.annotations += done.annotations
            whole.code = whole.code or done.code
        ask = Expressions(self.contexts(steps=states))
        for name, row in metadata["outputs"].items():
            whole.outputs[name] = ask.filled(row["value"])
        return whole

    # ---- a script ---------------------------------------------------------------------------

    def environment(self, env):
        merged = {**self._machine, **self.env, **env}
        merged["PATH"] = os.pathsep.join([*reversed(self.path), merged["PATH"]])
        return merged

    def popen(self, script, shell, env):
        """Start a script as a step; the process and the files that it may write."""
        self._count += 1
        names = ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")
        files = {n: self.scratch / "files" / f"{n.lower()}_{self._count}" for n in names}
        for file in files.values():
            file.touch()
        path = self.temp / f"script_{self._count}.sh"
        path.write_text(script + "\n", "utf-8")
        process = subprocess.Popen(
            [*SHELLS[shell], str(path)],
            cwd=self.workspace,
            env={**self.environment(env), **{f"GITHUB_{n}": str(f) for n, f in files.items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return process, files

    def shell(self, script, shell, env):
        process, files = self.popen(script, shell, env)
        said, _ = process.communicate(timeout=300)
        return self.finished(process.returncode, said, files)

    def finished(self, code, said, files):
        """Read what a step wrote: its log, and its files."""
        text = said.decode("utf-8", "replace")
        for secret in filter(None, self.secrets.values()):
            text = text.replace(secret, "***")
        self.env |= pairs(files["ENV"].read_text("utf-8"))
        self.path += [line for line in files["PATH"].read_text("utf-8").split("\n") if line]
        done = Done(
            code=code,
            log=text,
            outputs=pairs(files["OUTPUT"].read_text("utf-8")),
            summary=files["STEP_SUMMARY"].read_text("utf-8"),
            annotations=annotations(text),
        )
        print(text)  # noqa: T201  # shown where a test fails
        return done


def pairs(text):
    """The contents of GITHUB_OUTPUT or GITHUB_ENV: `name=value` and here-documents; last wins."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        heredoc = _HEREDOC.fullmatch(line)
        if heredoc and ("=" not in line or line.index("<<") < line.index("=")):
            body = []
            for inner in lines:
                if inner == heredoc[2]:
                    break
                body.append(inner)
            else:
                raise AssertionError(f"no end of {heredoc[2]}")
            found[heredoc[1]] = "\n".join(body)
        elif line:
            name, sign, value = line.partition("=")
            assert sign, f"neither a pair nor a here-document: {line!r}"
            found[name] = value
    return found


def annotations(log):
    """(level, properties, message) of each annotation; the runner keeps ten of a level."""
    found, silent = [], None
    for line in log.splitlines():
        match = _COMMAND.match(line)
        if not match:
            continue
        if silent is not None:
            silent = None if match["name"] == silent else silent
        elif match["name"] == "stop-commands":
            silent = match[3]
        elif match["name"] in ("error", "warning", "notice"):
            told = dict(p.split("=", 1) for p in (match["properties"] or "").split(",") if p)
            kept = {name: _plain(value, ":,") for name, value in told.items()}
            found.append((match["name"], kept, _plain(match[3], "")))
    assert not re.search(r"^\s*::(?:set-output|set-env|add-path|save-state)", log, re.MULTILINE)
    return [row for n, row in enumerate(found) if sum(r[0] == row[0] for r in found[:n]) < 10]


def _plain(text, more):
    for sign in f"\r\n{more}":
        text = text.replace(f"%{ord(sign):02X}", sign)
    return text.replace("%25", "%")
