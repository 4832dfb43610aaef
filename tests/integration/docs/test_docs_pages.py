"""The pages hold what the program does: tables, links, command lines, examples."""

import dataclasses
import doctest
import importlib.util
import json
import re
import shlex
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import get_args

import click
import pytest
from ruamel.yaml import YAML

from lens_gate import errors
from lens_gate.cli import cli
from lens_gate.cli.verbs import VERBS
from lens_gate.flows.planning import protocols, unit_prices
from lens_gate.judge import Arm, Check, decide
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.pricing import bill, resolve
from lens_gate.policy import load
from lens_gate.policy.behaviour import read_behaviour
from lens_gate.policy.fingerprint import fingerprint
from lens_gate.policy.spec import target_document
from lens_gate.policy.waivers import read_waivers
from lens_gate.providers.failures import http_failure
from lens_gate.providers.table import DIALECTS, PROVIDERS
from lens_gate.records.baseline import Baseline
from lens_gate.records.check import WORST_FIRST
from lens_gate.records.exchange import ResponseHead, ServerTimes, Status, Usage
from lens_gate.records.report import Outcome
from lens_gate.records.run import RunEnd, RunHeader
from lens_gate.records.sample import Marks, Sample
from lens_gate.sim.behaviour import behaviour_from_mapping
from lens_gate.sim.dialects.table import BY_NAME, served
from lens_gate.sim.dialects.table import found as found_dialect

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
README = ROOT / "README.md"
LINKED = [README, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *PAGES]
_BLOCK = re.compile(
    r"^(?:[ ]*<!-- (?P<mark>[a-z]+) -->\n)?(?P<indent>[ ]*)```(?P<kind>[a-z]+)\n"
    r"(?P<text>.*?)^(?P=indent)```",
    re.DOTALL | re.MULTILINE,
)
_LINK = re.compile(r"\]\((?!https?://)([^)\s#]*)(#[^)\s]*)?\)")
_CODE = re.compile(r"```.*?```", re.DOTALL)


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """(mark, kind, text) of each fenced block; the text without its own indentation."""
    found = []
    for match in _BLOCK.finditer(text_of(page)):
        lines = match["text"].split("\n")
        cut = len(match["indent"])
        found.append((match["mark"] or "", match["kind"], "\n".join(line[cut:] for line in lines)))
    return found


def marked(mark: str) -> list:
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in (README, *PAGES)
        for number, (found, _, text) in enumerate(blocks(page))
        if found == mark
    ]


def rows(page: str, head: str) -> list[list[str]]:
    """The rows of the page's table whose head begins with these words."""
    lines = text_of(DOCS / page).split("\n")
    starts = [n for n, line in enumerate(lines) if line.startswith(head)]
    assert starts, f"{page} has no table {head}"
    found = []
    for start in starts:
        for line in lines[start + 2 :]:
            if not line.startswith("|"):
                break
            found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def after(page: str, mark: str) -> list[str]:
    """The names in the first column of the table below a mark."""
    lines = text_of(DOCS / page).split("\n")
    found = []
    for line in lines[lines.index(mark) + 3 :]:
        if not line.startswith("|"):
            break
        found += words(line.split("|")[1])
    return found


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.stem)
def test_generated_tables_are_those_of_the_program(page, generate):
    assert text_of(page) == generate.filled(text_of(page)), "run: python docs/generate.py"


def test_every_generated_table_stands_in_some_page(generate):
    named = re.findall(r"<!-- generated: ([a-z-]+) -->", "".join(map(text_of, [README, *PAGES])))
    assert sorted(named) == sorted(generate.TABLES)


def test_a_changed_table_would_be_seen(generate):
    page = text_of(DOCS / "verdict.md")
    assert "| 100% | 25% |" in page
    assert generate.filled(page.replace("| 100% | 25% |", "| 90% | 25% |")) == page


def test_every_metric_is_defined_by_the_catalogue(generate):
    table = {row[0].strip("`"): row for row in rows("measuring.md", "| Name | Metric |")}
    assert list(table) == list(CATALOGUE)
    for name, metric in CATALOGUE.items():
        assert table[name][5].replace("`", "") == metric.definition.replace("`", "")


# Links


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _CODE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.stem)
def test_every_relative_link_leads_somewhere(page):
    broken = []
    for path, anchor in _LINK.findall(_CODE.sub("", text_of(page))):
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor[1:] not in anchors(target)):
            broken.append(path + anchor)
    assert broken == []


def test_the_readme_leads_to_every_page():
    linked = {path for path, _ in _LINK.findall(text_of(README))}
    assert {f"docs/{page.name}" for page in PAGES} <= linked


def test_the_readme_names_every_server_that_is_known():
    text = text_of(README).lower()
    shown = {"llama-cpp": "llama.cpp", "lm-studio": "lm studio"}
    flavors = PROVIDERS["openai-compatible"].flavors
    assert [name for name in flavors if shown.get(name, name) not in text] == []


def test_the_targets_of_the_readme_are_read():
    commands = [p.values[0] for p in quoted_commands() if p.id.startswith("README.md")]
    found = [
        word
        for command in commands
        for word, before in zip(command.split()[2:], command.split()[1:], strict=False)
        if before == "--target" or (command.split()[1] == "compare" and ":" in word)
    ]
    assert len(found) == 4
    documents = [target_document(spec, PROVIDERS) for spec in found]
    targets = {f"t{number}": document for number, document in enumerate(documents)}
    scenario = {"targets": list(targets), "prompts": ["One?"]}
    whole = {**_BASE, "targets": targets, "scenarios": {"one": scenario}}
    policy = loaded(json.dumps(whole).encode())
    assert set(unit_prices(policy, protocols(policy))) == set(targets)


# Command lines


def quoted_commands() -> list:
    found = {}
    for page in LINKED:
        text = text_of(page)
        lines = re.findall(
            r"^ *((?:lens-gate) [^#\n]*)", "\n".join(_CODE.findall(text)), re.MULTILINE
        )
        lines += re.findall(r"`(lens-gate [^`\n]+)`", text)
        found |= dict.fromkeys((page.name, line.strip()) for line in lines)
    return [pytest.param(line, id=f"{name}: {line}") for name, line in found]


def problem_with(line: str) -> str:
    """Why click would not take this command line; nothing is run."""
    arguments = [re.sub(r"\$\w+", "x", word) for word in shlex.split(line)[1:]]
    group: click.Command = cli
    while isinstance(group, click.Group) and arguments and not arguments[0].startswith("-"):
        name = arguments.pop(0)
        found = group.get_command(click.Context(group), name)
        if found is None:
            return f"no verb {name}"
        group = found
    known = {name: o for o in group.params for name in (*o.opts, *o.secondary_opts)}
    known |= {"--help": click.Option(["--help"], is_flag=True)}
    missing = {o.opts[0] for o in group.params if isinstance(o, click.Option) and o.required}
    values = [o for o in group.params if isinstance(o, click.Argument)]
    taken = 0
    while arguments:
        word = arguments.pop(0)
        if not word.startswith("-"):
            taken += 1
            several = values and values[-1].nargs == -1
            if taken > len(values) and not several:
                return f"one argument too many: {word}"
            choice = values[min(taken, len(values)) - 1].type
            if isinstance(choice, click.Choice) and word not in choice.choices:
                return f"{word} is none of {choice.choices}"
            continue
        name, has_value, value = word.partition("=")
        option = known.get(name)
        if option is None:
            return f"no option {name}"
        missing.discard(name)
        if getattr(option, "is_flag", False) or has_value:
            continue
        if not arguments:
            # A line that only names the option (`judge --run`) is no whole command.
            return ""
        value = arguments.pop(0)
        if isinstance(option.type, click.Choice) and value not in option.type.choices:
            return f"{name} takes no {value}"
    needed = sum(v.required for v in values)
    return "" if not missing and taken >= needed else f"incomplete: {line}"


@pytest.mark.parametrize("line", quoted_commands())
def test_every_quoted_command_line_parses(line):
    found = problem_with(line)
    # In a sentence a command may stand without its arguments; in a block it may not be wrong.
    assert found == "" or found.startswith("incomplete")


@pytest.mark.parametrize(
    "line",
    [
        "lens-gate provider",
        "lens-gate baseline waive",
        "lens-gate gate --confirm",
        "lens-gate demo --base main",
        "lens-gate report report.json --format html",
        "lens-gate schema null",
        "lens-gate gate policy.yaml",
    ],
)
def test_a_wrong_command_line_would_be_seen(line):
    assert problem_with(line) not in ("", f"incomplete: {line}")


def test_command_lines_were_found_and_cover_every_verb():
    lines = [p.values[0] for p in quoted_commands()]
    assert {line.split()[1] for line in lines} >= set(VERBS) - {"demo"}


def test_the_page_of_commands_has_every_verb_and_every_option():
    sections = dict(
        part.split("\n", 1) for part in text_of(DOCS / "commands.md").split("\n## ")[1:]
    )
    found = {}
    for verb in VERBS:
        command = cli.get_command(click.Context(cli), verb)
        inner = command.commands if isinstance(command, click.Group) else {"": command}
        found |= {f"{verb} {name}".strip(): each for name, each in inner.items()}
    assert list(sections) == list(found)
    for name, command in found.items():
        shown = {word.split()[0] for word in words(sections[name]) if word.startswith("-")}
        options = [o for o in command.params if isinstance(o, click.Option) and not o.hidden]
        assert shown == {word for o in options for word in (*o.opts, *o.secondary_opts)}, name
        assert all(o.help for o in options), name


def test_settings_from_outside_are_the_options_of_gate():
    gate = cli.get_command(click.Context(cli), "gate")
    options = {o.opts[0]: o.envvar for o in gate.params if o.envvar}
    table = {words(row[0])[0].split()[0]: words(row[1])[0] for row in rows("policy.md", "| Flag |")}
    assert table == options


# Formats and words


@pytest.mark.parametrize(
    ("page", "record"),
    [
        ("measuring.md", RunHeader),
        ("measuring.md", Sample),
        ("measuring.md", Marks),
        ("measuring.md", RunEnd),
        ("baselines.md", Baseline),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_field_tables_name_every_field_once(page, record):
    fields = [field.name for field in dataclasses.fields(record)]
    assert sorted(after(page, f"<!-- fields: {record.__name__} -->")) == sorted(fields)


def test_every_status_is_explained():
    assert [words(row[0])[0] for row in rows("measuring.md", "| Status |")] == list(
        get_args(Status)
    )


def test_every_verdict_and_outcome_is_explained():
    assert {words(row[0])[0] for row in rows("verdict.md", "| Verdict |")} == set(WORST_FIRST)
    outcomes = {words(row[0])[0] for row in rows("verdict.md", "| Outcome |")}
    assert outcomes == set(get_args(Outcome))


def test_every_exit_code_is_explained():
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    told = {row[2] for row in rows("verdict.md", "| Outcome |")}
    told |= {row[0] for row in rows("verdict.md", "| Exit code |")}
    assert {int(n) for cell in told for n in re.findall(r"\d+", cell)} == codes


def test_error_rates_are_stated_in_the_agreed_words():
    quoted = " ".join(text_of(DOCS / "verdict.md").replace("\n> ", " ").split())
    assert (
        "unchanged builds: at most 1 % for each policy; a real change no larger than its margin: "
        "at most 5 % for each check" in quoted
    )


def test_examples_of_the_decision_run():
    page = DOCS / "verdict.md"
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert result.attempted >= 10
    assert result.failed == 0


def test_the_quoted_reason_of_a_pass_is_what_the_judge_says():
    check = Check("errors", "error_rate", limit=0.05, head=Arm([1.0] * 120))
    reason = decide([check])[0].reason
    quoted = "0 of 120 failed; up to 2.47 % not excluded"
    assert reason.startswith(quoted)
    assert f"`{quoted}`" in text_of(DOCS / "verdict.md")


def test_http_statuses_mean_what_the_page_says():
    told = {words(row[0])[0]: row[1] for row in rows("measuring.md", "| Status |")}
    numbers = {int(n): name for name, text in told.items() for n in re.findall(r"\b\d{3}\b", text)}
    assert len(numbers) >= 15
    for number, status in numbers.items():
        assert http_failure(ResponseHead(status=number, headers={}), b"").status == status


def test_what_is_tried_again_is_what_the_page_says():
    text = text_of(DOCS / "measuring.md").split("## Retries and timeouts")[1].split("`quota`")[0]
    told = {int(number) for number in re.findall(r"\b[45]\d\d\b", text)}
    heads = [ResponseHead(status=status, headers={}) for status in range(400, 600)]
    assert {head.status for head in heads if http_failure(head, b"").retryable} == told


def test_every_kind_of_server_time_is_of_a_known_field():
    fields = {field.name for field in dataclasses.fields(ServerTimes)} - {"source"}
    assert set(after("measuring.md", "<!-- fields: ServerTimes -->")) == fields


# The simulator


def _paths(cell: str) -> list[str]:
    """The paths of a cell; those after the first say only how they end."""
    found: list[str] = []
    for path in words(cell):
        end = path.removeprefix("POST ").partition("?")[0].replace("…", "generateContent")
        if path.startswith("POST "):
            found.append(end)
        else:
            mark = end[0]
            found.append(found[-1].rpartition(mark)[0] + end)
    return [re.sub(r"\{\w+\}", "x", path) for path in found]


def test_the_simulator_serves_the_dialects_at_the_paths_that_the_page_says():
    dialects = served(behaviour_from_mapping({}))
    told = rows("simulator.md", "| Dialect |")
    assert {words(row[0])[0] for row in told} == set(BY_NAME) == set(DIALECTS)
    for row in told:
        assert len(_paths(row[2])) >= 1
        for path in _paths(row[2]):
            here = found_dialect(dialects, path)
            assert here is not None, path
            assert here[0].name == words(row[0])[0], path


# YAML blocks

_BASE = {
    "version": 1,
    "name": "base",
    "budget": {"max_usd": 1, "max_requests": 1000, "max_duration": "1h"},
}


def prompts(_path: str) -> bytes:
    return b'{"id": "one", "prompt": "One?"}\n'


def loaded(data: bytes, read_file=prompts):
    return load(data, file="lens-gate.yaml", read_file=read_file, providers=PROVIDERS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_yaml_block_says_what_it_is(page):
    # Pipelines of GitLab, by what they start with: tests/e2e/gitlab runs them.
    gitlab = {"start", "component", "baselines"}
    known = {"policy", "part", "price", "behaviour", "workflow", "plugged", "waivers"} | gitlab
    known.add("scrape")  # Prometheus's own: tests/e2e/sinks starts one with its like
    assert [text for mark, kind, text in blocks(page) if kind == "yaml" and mark not in known] == []


@pytest.mark.parametrize("text", marked("policy"))
def test_policies_load(text):
    policy = loaded(text.encode())
    assert policy.scenarios
    assert all(scenario.rules for scenario in policy.scenarios.values())


_ROWS = "".join(f"2026-11-21 08:00:{second:02},9,9\n" for second in range(20))
_TRACES = {"traces/azure.csv": f"TIMESTAMP,ContextTokens,GeneratedTokens\n{_ROWS}".encode()}


def whole_of(text: str) -> tuple[dict, bytes]:
    """The part, and a policy around its very text."""
    part = YAML(typ="safe", pure=True).load(text)
    targets = part.get("targets", {"fake": {"provider": "simulated"}})
    scenario = {"targets": list(targets), "prompts": ["One?"], "gates": []}
    own = {key: {**scenario, **given} for key, given in part.get("scenarios", {}).items()}
    if not own:
        own = {"one": {**scenario, "gates": [{"metric": "ttft.typ", "max": "9s"}]}}
    around = {**_BASE, "targets": targets, "scenarios": own}
    if "scenarios" in part:
        return around, json.dumps(around).encode()
    rest = (f"{key}: {json.dumps(value)}\n" for key, value in around.items() if key not in part)
    return around, "".join([text, *rest]).encode()


@pytest.mark.parametrize("text", marked("part") + marked("price"))
def test_parts_of_policies_load(text):
    whole, data = whole_of(text)
    policy = loaded(data, _TRACES.__getitem__)
    assert set(policy.targets) == set(whole["targets"])
    assert set(policy.scenarios) == set(whole["scenarios"])
    assert set(unit_prices(policy, protocols(policy))) == set(whole["targets"])


# What each example of a price bills, in US dollars, worked out by hand: the same tokens on a Friday
# at 20:00 (UTC), at concurrency 1, for one second.
_BILLED = {
    "free": "0",
    "plain": "0.2 * 0.40 + 0.1 * 0.10 + 0.01 * 1.60 + 0.0001",
    "by-the-hour": "2.40 / 3600",
    "by-size": "0.3 * 2.50 + 0.01 * 15",
    "by-tier": "(0.2 * 0.25 + 0.1 * 0.025 + 0.01 * 2) * 0.5",
    "by-region": "(0.3 * 1 + 0.01 * 5) * 1.1",
    "by-time": "0.3 * 0.14 + 0.01 * 0.14",
    "by-model": "0.3 * 0.10 + 0.01 * 0.40",
    "negotiated": "(0.3 * 1.80 + 0.01 * 5.40) * 1.08 * 0.9",
}
_ANSWERED = {"by-model": "small-4"}


@pytest.mark.parametrize("text", marked("price"))
def test_prices_bill_what_the_page_says(text):
    policy = loaded(whole_of(text)[1])
    friday = datetime(2026, 11, 20, 20, tzinfo=UTC)
    usage = Usage(input_total=300_000, cache_read=100_000, output_total=10_000)
    billed = {}
    for key, target in policy.targets.items():
        prices = resolve(
            None,
            target.model,
            target.price,
            simulated=False,
            request_usd=Decimal(0),
            at=friday,
            region=target.region,
        )
        found = bill(
            prices,
            usage,
            model=_ANSWERED.get(key, target.model),
            service_tier="flex",
            at=friday,
            seconds=1.0,
        )
        billed[key] = found.usd
    by_hand = {key: _by_hand(sum_) for key, sum_ in _BILLED.items()}
    assert {k: round(v, 12) for k, v in billed.items()} == by_hand


def _by_hand(sum_: str) -> Decimal:
    exact = re.sub(r"[0-9.]+", r'Decimal("\g<0>")', sum_)
    return round(eval(exact, {"Decimal": Decimal}), 12)  # noqa: S307  # of this file


@pytest.mark.parametrize("text", marked("behaviour"))
def test_behaviours_are_read(text, tmp_path):
    path = tmp_path / "behaviour.yaml"
    path.write_text(text, "utf-8")
    assert read_behaviour(path, ()).faults


@pytest.mark.parametrize("text", marked("workflow"))
def test_workflows_are_yaml(text):
    assert isinstance(YAML(typ="safe", pure=True).load(text), dict)


@pytest.mark.parametrize("text", marked("waivers"))
def test_waivers_are_read(text):
    found = read_waivers(text.encode(), file="waivers.yaml")
    assert found.waivers
    assert found.shifts


@pytest.mark.parametrize("text", marked("prompts"))
def test_prompt_rows_load(text):
    rows = text.strip().split("\n")
    scenario = {"targets": ["t"], "prompts": "p.jsonl", "gates": [{"metric": "ttft.typ"}]}
    whole = {
        **_BASE,
        "targets": {"t": {"provider": "simulated"}},
        "scenarios": {"one": scenario},
    }
    policy = loaded(json.dumps(whole).encode(), lambda _path: text.encode())
    assert len(policy.scenarios["one"].prompts) == len(rows) > 0


# The fingerprint


def test_fingerprint_tables_name_what_is_compared():
    example = next(text for mark, _, text in blocks(DOCS / "policy.md") if mark == "policy")
    policy = loaded(example.encode())
    scenario, target = policy.scenarios["chat-short"], policy.targets["mini"]
    found = fingerprint(policy, scenario, target, PROVIDERS["openai"])
    assert set(after("baselines.md", "<!-- fingerprint: fixed -->")) == set(found.fixed)
    named = {name.replace("NAME", "temperature") for name in _compared()}
    assert named - {"simulate", "tools"} == set(found.compared)


def _compared() -> list[str]:
    return after("baselines.md", "<!-- fingerprint: compared -->")
