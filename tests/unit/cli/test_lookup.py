import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from services.cli import lookup


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("alpha.raods", "Did you mean 'alpha.roads'?"),  # a slip
        ("roads", "Did you mean 'alpha.roads'?"),  # a part
        ("ALPHA.ROADS", "Did you mean 'alpha.roads'?"),
        ("xyz", "There is no dataset 'xyz'."),
    ],
)
def test_an_unknown_name_is_corrected(typed, hint):
    assert hint in lookup.unknown("dataset", typed, ["alpha.roads", "beta.parcels"]).message


def test_nothing_to_choose_from_is_said():
    assert "exists yet" in lookup.unknown("batch", "b1", []).message


def test_a_version_is_split_from_its_dataset():
    assert lookup.split_version("a.b@12") == ("a.b", 12)
    assert lookup.split_version("a.b") == ("a.b", None)


@pytest.mark.parametrize("typed", ["a@", "a@0", "a@-1", "a@x", "a@1.5", "a@²", "a@1@2"])
def test_a_wrong_version_is_refused(typed):
    with pytest.raises(typer.BadParameter, match="no version number"):
        lookup.split_version(typed)


@given(st.integers(1, 10**9))
def test_every_version_number_is_understood(number):
    assert lookup.split_version(f"d@{number}") == ("d", number)
