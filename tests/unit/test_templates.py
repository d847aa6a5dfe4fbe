"""The forms for issues are what the forge accepts: it drops a wrong one without a word."""

from pathlib import Path

import pytest
import yaml

FORMS = sorted((Path(__file__).parents[2] / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"))
KINDS = {"markdown": {"value"}, "input": {"label"}, "textarea": {"label"}, "dropdown": {"label", "options"}}
"""What each kind of element needs."""


def test_there_are_forms() -> None:
    assert {form.stem for form in FORMS} >= {"file-read-wrongly", "bug", "feature"}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_is_complete(form: Path) -> None:
    about = yaml.safe_load(form.read_text())
    assert about.keys() >= {"name", "description", "body"}
    for element in about["body"]:
        assert element["attributes"].keys() >= KINDS[element["type"]]
    ids = [element["id"] for element in about["body"] if element["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0
