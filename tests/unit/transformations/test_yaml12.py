"""YAML as version 1.2 has it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.transformations.yaml12 import parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("Off", "Off"),
        ("2024-01-31", "2024-01-31"),
        ("12:30:00", "12:30:00"),
        ("010", 10),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("-7", -7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("true", True),
        ("~", None),
        ("", None),
        (".nan", ".nan"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!!bool True", True),
        ("{$param: crs}", {"$param": "crs"}),
        ("<<: x", {"<<": "x"}),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    parsed = parse_yaml(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "a: [", "a: 1\na: 2", "1: a", "[a]: b", "--- a\n--- b", "!!python/object:os.x {}", "a: *b", "\0", "!!bool maybe",
        "!!null x", "!!int abc", "!!float abc", "!!int {}", "!!timestamp abc", "!!binary abc", "!!set {a}", "!!omap [a]",
        "!mine x",
    ],
)  # fmt: skip
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_yaml(text)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abc \"'\\:-#é\n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc$_ é", max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_json_is_yaml(value: object) -> None:
    assert parse_yaml(json.dumps(value)) == value
