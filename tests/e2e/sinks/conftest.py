"""Receivers from Debian packages, each on a free port in a folder of its own, and one real gate."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

LENS_GATE = Path(sys.executable).with_name("lens-gate")
PROJECT = Path(__file__).parents[3]
PASSWORD = "never-to-be-seen-4711"
HOSTILE = 'a "quoted" \\ team, with = signs / slashes 🚀 \u202eيم'


# Below those that the kernel hands out, and apart from those of tests that run beside these: a
# server that did not get its port must not be taken for the one that has it.
PORTS = count(10_000 + os.getpid() % 2000 * 10)


def free_port():
    while True:
        port = next(PORTS)
        with socket.socket() as found:
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


@contextmanager
def served(command, health, folder):
    """A server of its own; its log is shown where it does not answer."""
    assert shutil.which(command[0]), f"{command[0]} is not installed; .ci/run installs it"
    log = folder / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
    try:
        for _ in range(600):
            try:
                get(health)
                assert process.poll() is None, log.read_text("utf-8", "replace")
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert process.poll() is None, log.read_text("utf-8", "replace")
                time.sleep(0.05)
        else:
            pytest.fail(log.read_text("utf-8", "replace"))
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def hostile():
    return HOSTILE


@pytest.fixture(scope="session")
def password():
    return PASSWORD


@contextmanager
def gateway(folder):
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus-pushgateway", f"--web.listen-address={address}"]
    # Debian's would keep what it has, for the next one to find.
    command.append("--persistence.file=kept.data")
    with served(command, f"http://{address}/-/ready", folder):
        yield f"http://{address}"


@pytest.fixture(scope="session")
def pushgateway(tmp_path_factory):
    """The one that Prometheus reads: one gate pushes there."""
    with gateway(tmp_path_factory.mktemp("pushgateway")) as url:
        yield url


@pytest.fixture
def own_gateway(tmp_path):
    with gateway(tmp_path) as url:
        yield url


@dataclass(frozen=True)
class Prometheus:
    url: str

    def query(self, expr):
        """What an expression gives now: the series with their values."""
        found = json.loads(
            get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expr})}")
        )
        assert found["status"] == "success"
        return [(s["metric"], float(s["value"][1])) for s in found["data"]["result"]]

    def until(self, expr):
        """The same, as soon as there is something."""
        for _ in range(600):
            found = self.query(expr)
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{expr} gave nothing")


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory, pushgateway):
    """A Prometheus that scrapes the gateway as its documentation says, with the shipped rules."""
    folder = tmp_path_factory.mktemp("prometheus")
    address = f"127.0.0.1:{free_port()}"
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(PROJECT / "deploy" / "prometheus" / "lens-gate.rules.yml")],
        "scrape_configs": [
            {
                "job_name": "pushgateway",
                "honor_labels": True,
                "static_configs": [{"targets": [pushgateway.removeprefix("http://")]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(settings))
    command = [
        "prometheus",
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address={address}",
    ]
    with served(command, f"http://{address}/-/ready", folder):
        yield Prometheus(f"http://{address}")


@dataclass(frozen=True)
class Influx:
    url: str
    user: str = ""
    password: str = ""

    def query(self, text, *, db="ci"):
        """The rows that a query gives, each a mapping by column."""
        asked = {"q": text, "db": db, "epoch": "ns", "u": self.user, "p": self.password}
        found = json.loads(get(f"{self.url}/query?{urllib.parse.urlencode(asked)}"))
        rows = []
        for result in found["results"]:
            assert "error" not in result, result
            for series in result.get("series", ()):
                own = series.get("tags", {})
                for values in series["values"]:
                    rows.append({**own, **dict(zip(series["columns"], values, strict=True))})
        return rows

    def change(self, text):
        who = (
            f"?{urllib.parse.urlencode({'u': self.user, 'p': self.password})}" if self.user else ""
        )
        data = urllib.parse.urlencode({"q": text}).encode()
        with urllib.request.urlopen(f"{self.url}/query{who}", data, timeout=10) as answer:
            assert b"error" not in answer.read()


@pytest.fixture(scope="session")
def influxdb(tmp_path_factory):
    """InfluxDB 1.x that asks for a name and a password, with the database ``ci``."""
    folder = tmp_path_factory.mktemp("influxdb")
    port, rpc = free_port(), free_port()
    (folder / "influxdb.conf").write_text(
        f"""\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = true
[monitor]
store-enabled = false
"""
    )
    url = f"http://127.0.0.1:{port}"
    with served(["influxd", "-config", str(folder / "influxdb.conf")], f"{url}/ping", folder):
        found = Influx(url, "gate", PASSWORD)
        Influx(url).change(f"CREATE USER gate WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES")
        found.change("CREATE DATABASE ci")
        yield found


def policy(model, publish):
    return {
        "version": 1,
        "name": "chat",
        "budget": {"max_usd": 1, "max_requests": 400, "max_duration": "5m"},
        "baseline": {"compare": "auto"},
        "publish": publish,
        "targets": {
            "quick": {
                "provider": "simulated",
                "model": model,
                "price": {"input": 2, "output": 8},
                "simulate": {
                    "time_scale": 0.05,
                    "output_tokens": {"fixed": 6},
                    "faults": [{"kind": "status", "status": 500, "every": 9}],
                },
            }
        },
        "scenarios": {
            "short": {
                "targets": ["quick"],
                "prompts": ["One?", "Two, please?"],
                "max_output_tokens": 32,
                "samples": {"min": 40, "max": 40, "warmup": 1},
                "gates": [
                    {"metric": "ttft.typ", "max_regression": "90%", "may_be_inconclusive": True},
                    {"metric": "ttft.p95", "max": "30s"},
                    {"metric": "e2e.p95", "max": "30s"},
                    {"metric": "tpot.typ", "max": "5s"},
                    {"metric": "output_tps.typ", "min": 0.001},
                    {"metric": "cost_usd.mean", "max": 0.5},
                    {"metric": "error_rate", "max": "90%"},
                ],
            }
        },
    }


@dataclass(frozen=True)
class Gate:
    folder: Path
    said: str
    code: int

    @property
    def out(self):
        return self.folder / "lens-gate-out"

    @property
    def report(self):
        return json.loads((self.out / "report.json").read_text("utf-8"))

    @property
    def samples(self):
        lines = (self.out / "run.jsonl").read_text("utf-8").splitlines()
        found = [json.loads(line) for line in lines]
        return [line for line in found if line["type"] == "sample"]


@pytest.fixture(scope="session")
def gate(tmp_path_factory):
    """Runs a gate in a repository of its own, a duet, which pushes to these sinks."""

    def run(publish, **environ):
        folder = tmp_path_factory.mktemp("gate") / "repo"
        folder.mkdir()
        git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com"]
        (folder / "lens-gate.yaml").write_text(
            json.dumps(policy("old", publish), ensure_ascii=False)
        )
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "c"]):
            subprocess.run([*git, *words], cwd=folder, check=True)
        (folder / "lens-gate.yaml").write_text(
            json.dumps(policy("new", publish), ensure_ascii=False)
        )
        known = {"PATH": "/usr/bin:/bin", "HOME": str(folder.parent), **environ}
        done = subprocess.run(
            [LENS_GATE, "gate", "--base", "main", "--seed", "3", "--output", "lens-gate-out"],
            cwd=folder,
            env=known,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return Gate(folder, done.stdout + done.stderr, done.returncode)

    return run


@pytest.fixture(scope="session")
def pushed(gate, pushgateway, influxdb):
    """One gate that pushes to all of them."""
    return gate(
        [
            {"to": "pushgateway", "url": pushgateway, "labels": {"team": HOSTILE}},
            {
                "to": "influxdb",
                "url": influxdb.url,
                "database": "ci",
                "username_env": "INFLUX_USER",
                "password_env": "INFLUX_PASSWORD",
                "labels": {"team": HOSTILE},
                "live": True,
            },
            {"to": "file", "path": "lens-gate.prom", "format": "prometheus"},
            {"to": "file", "path": "live.jsonl", "live": True},
        ],
        INFLUX_USER="gate",
        INFLUX_PASSWORD=PASSWORD,
    )
