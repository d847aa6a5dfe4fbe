import json

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from libs.pipeline.upload import DeliveryError
from services.cli import delivery


@pytest.mark.parametrize("format_helps", [True, False])
def test_an_error_of_a_local_file_becomes_a_usage_error_that_names_the_option(format_helps):
    with pytest.raises(typer.BadParameter, match="is unclear") as raised, delivery.usage_errors():
        raise DeliveryError("data.bin is unclear.", format_helps=format_helps)
    assert ("--format" in raised.value.message) is format_helps


def test_parameters_are_json_where_they_can_be():
    assert delivery.parameters(["n=5", "s=Elm Street", "l=[1,2]", "e=", "q=a=b"]) == {
        "n": 5, "s": "Elm Street", "l": [1, 2], "e": "", "q": "a=b",
    }  # fmt: skip


@pytest.mark.parametrize("pairs", [["n"], ["=5"], ["n=1", "n=2"]])
def test_wrong_parameters_are_usage_errors(pairs):
    with pytest.raises(typer.BadParameter):
        delivery.parameters(pairs)


NAMES = st.text(min_size=1).filter(lambda name: "=" not in name)


@given(st.dictionaries(NAMES, st.integers() | st.lists(st.booleans()), max_size=4))
def test_every_json_value_survives(values):
    assert delivery.parameters([f"{name}={json.dumps(value)}" for name, value in values.items()]) == values


def test_policies_for_changes_are_one_word_or_pairs():
    assert delivery.changes("reject") == "reject"
    assert delivery.changes("kind=allow, crs=reject") == {"kind": "allow", "crs": "reject"}
    with pytest.raises(typer.BadParameter, match="not of the form"):
        delivery.changes("kind=allow,crs")
