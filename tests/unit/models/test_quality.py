"""Quality rules as a manifest has them."""

import json
from typing import Any

import pytest

from libs.models import parse_manifest
from libs.models.quality import RULES

FILE = {"path": "s3://landing-zone/a/b.geojson", "type": "vector", "format": "GeoJSON"}


def problems(*rules: Any) -> list[tuple[str, str, str]]:
    content = {"batch_id": "a", "uploader": "u", "intent": "raw", "files": [FILE], "rules": list(rules)}
    found = parse_manifest(json.dumps(content).encode(), landing_bucket="landing-zone").problems
    return [(problem.code, problem.where, problem.message) for problem in found]


@pytest.mark.parametrize(
    ("rule", "where", "message"),
    [
        ({"rule": "even"}, "rules[0].rule", "'even' is no rule."),
        ({"column": "a"}, "rules[0]", "It is no rule: an object with the key 'rule' is."),
        ("not_null", "rules[0]", "It is no rule: an object with the key 'rule' is."),
        ({"rule": "not_null"}, "rules[0].column", "The rule 'not_null' needs the key 'column'."),
        ({"rule": "not_null", "column": "a", "colum": "a"}, "rules[0].colum", "The rule 'not_null' has no key 'colum'."),
        ({"rule": "in_range", "column": "a"}, "rules[0]", "Give 'min', 'max', or both."),
        ({"rule": "in_range", "column": "a", "min": 2, "max": 1}, "rules[0]", "'min' is larger than 'max'."),
        (
            {"rule": "in_range", "column": "a", "min": [1]}, "rules[0].min",
            "It should be a text, a number, true or false.",
        ),
        (
            {"rule": "unique", "columns": "a", "severity": "set_aside"}, "rules[0].severity",
            "The rule 'unique' judges the dataset as a whole: it cannot set features aside.",
        ),
        (
            {"rule": "within", "bbox": [2, 0, 1, 1]}, "rules[0]",
            "'bbox' is [xmin, ymin, xmax, ymax], the smaller numbers first.",
        ),
        (
            {"rule": "foreign_key", "columns": ["a", "b"], "dataset": "d", "refers_to": "a"}, "rules[0]",
            "'refers_to' has another number of columns than 'columns'.",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_rule(rule: Any, where: str, message: str) -> None:
    assert problems(rule) == [("bad_rule", where, message)]


def test_all_of_them_are_told() -> None:
    assert [where for _, where, _ in problems({"rule": "x"}, {"rule": "not_null", "column": "a"}, {"rule": "features"})] == [
        "rules[0].rule", "rules[2]",
    ]  # fmt: skip


def test_every_rule_says_what_it_is() -> None:
    for name, model in RULES.items():
        assert model.model_fields["rule"].default == name
        assert (model.__doc__ or "").strip()
