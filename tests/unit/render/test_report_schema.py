"""Reports as the gate writes them fit the published schema."""

import json

import jsonschema
import pytest

from lens_gate.policy import report_schema_text
from lens_gate.render.report_json import report_json

SCHEMA = json.loads(report_schema_text())


def problems(document):
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def test_a_report_of_every_outcome_fits(named_report):
    assert problems(json.loads(report_json(named_report[1]))) == []


def test_the_schema_knows_every_field(reports):
    """A field that the schema did not know would be refused."""
    document = json.loads(report_json(reports["failed"]))
    document["cells"][0]["novel"] = 1
    assert problems(document)


@pytest.mark.parametrize("name", ["outcome", "rows", "spend", "schema"])
def test_a_report_without_a_field_does_not_fit(reports, name):
    document = json.loads(report_json(reports["failed"]))
    del document[name]
    assert problems(document)
