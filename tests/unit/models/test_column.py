"""What is known of a column: agreed on by several sources, in few words."""

import pytest
from pydantic import ValidationError

from libs.models import ColumnNotes
from libs.models.column import MAX_SUMMARY, CodedValue, Domain


def coded(*labels: tuple[int, str], **more: str) -> ColumnNotes:
    values = tuple(CodedValue(value=value, label=label) for value, label in labels)
    return ColumnNotes(domain=Domain(name="d", values=values), **more)


def test_sources_that_complete_each_other() -> None:
    both = coded((1, "a"), (2, "b")).merged(coded((2, "b"), (3, "c"), title="T"))
    assert both == coded((1, "a"), (2, "b"), (3, "c"), title="T")
    assert ColumnNotes(title="T").merged(coded((1, "a"))) == coded((1, "a"), title="T")
    assert coded((1, "a")).merged(ColumnNotes(title="T")) == coded((1, "a"), title="T")


@pytest.mark.parametrize(
    "other",
    [
        coded((1, "b")),
        coded((1, "a"), title="another"),
        coded((1, "a"), description="another"),
        ColumnNotes(domain=Domain(name="e", values=(CodedValue(value=1, label="a"),))),
        ColumnNotes(domain=Domain(name="d", min=1)),
    ],
)
def test_sources_that_contradict_each_other(other: ColumnNotes) -> None:
    assert coded((1, "a"), title="one", description="one").merged(other) is None


def test_a_column_as_text_has_its_codes_as_text() -> None:
    assert coded((1, "a")).as_text().model_dump(exclude_defaults=True) == {
        "domain": {"name": "d", "values": ({"value": "1", "label": "a"},)}
    }
    assert ColumnNotes(title="T").as_text() == ColumnNotes(title="T")


def test_a_summary_is_short() -> None:
    assert coded((1, "a"), title="Kind").summary == "Kind; domain d, 1 code"
    assert ColumnNotes(domain=Domain(name="d", min=0)).summary == "domain d"
    assert ColumnNotes(description="What it is").summary == "What it is"
    assert len(ColumnNotes(title="x" * 10_000).summary) == MAX_SUMMARY


def test_values_keep_their_types() -> None:
    notes = ColumnNotes.model_validate_json('{"domain": {"name": "d", "values": [{"value": 9007199254740993}, {"value": "1"}]}}')
    assert notes.domain is not None
    assert [each.value for each in notes.domain.values] == [9007199254740993, "1"]
    with pytest.raises(ValidationError):
        ColumnNotes.model_validate_json('{"titel": "x"}')
