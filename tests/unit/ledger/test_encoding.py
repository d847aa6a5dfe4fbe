import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import example, given
from hypothesis import strategies as st

from libs.ledger.encoding import decode, encode, from_bson, to_bson

text = st.text(st.characters(exclude_categories=["Cs"]))
moments = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | text
    | st.binary()
    | st.decimals(allow_nan=False)
    | moments
)
keys = text | st.sampled_from(["$date", "$$date", "$numberDecimal", "$", "a.b", "", "_id"])
documents = st.dictionaries(
    keys, st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=8)
)


def same(one: object, other: object) -> bool:
    """Equal, and of the same types throughout: ``1 == 1.0 == True`` is not enough."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return repr(one) == repr(other)
    return type(one) is type(other) and one == other


@given(documents)
@example({"": {"": []}, "_id": 1, "a.b": {"$set": "$x"}, "%2E": "%00", "%": 0, "%list": {"%text": "\0%00"}, "\0": [[[1]]]})
@example({"zero": -0.0, "infinite": -math.inf, "large": 2**63 - 1, "exact": 1.0})
def test_a_document_comes_back_from_bson(document: dict[str, object]) -> None:
    encoded = bson.encode(to_bson(document))
    assert same(from_bson(bson.decode(encoded, CodecOptions(tz_aware=True, tzinfo=UTC))), document)


@given(documents)
def test_bson_is_spared_what_servers_refuse(document: dict[str, object]) -> None:
    refuse(to_bson(document))


def refuse(value: object, in_list: bool = False) -> None:
    """What FerretDB, and the PostgreSQL below it, do not take or change."""
    if isinstance(value, dict):
        for key, item in value.items():
            assert key
            assert key != "_id"
            assert "." not in key
            assert "\0" not in key
            assert not key.startswith("$")
            refuse(item)
    elif isinstance(value, list):
        assert not in_list
        for item in value:
            refuse(item, in_list=True)
    elif isinstance(value, float):
        assert math.isfinite(value)
        assert repr(value) != "-0.0"
    else:
        assert not isinstance(value, Decimal)
        assert not (isinstance(value, str) and "\0" in value)


def test_ordinary_documents_are_the_same_in_bson() -> None:
    document = {"batch_id": "a", "at": datetime(2026, 1, 1, tzinfo=UTC), "n": [1, 2.5, {"x": None}], "b": b"\0", "t": "100 %"}
    assert to_bson(document) == document


@given(documents)
@example({"$date": {"$date": "no date"}})
@example({"zero": -0.0, "small": 5e-324, "exact": 0.1 + 0.2, "infinite": math.inf})
def test_a_document_comes_back_as_it_went(document: dict[str, object]) -> None:
    encoded = encode(document)
    json.loads(encoded, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert same(decode(encoded), document)


def test_not_a_number_comes_back() -> None:
    assert math.isnan(decode(encode({"x": math.nan}))["x"])


def test_moments_sort_as_text_and_come_back_in_utc() -> None:
    east = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert encode({"at": east}) == '{"at":{"$date":"2025-12-31T23:00:00.000Z"}}'
    assert decode(encode({"at": east}))["at"] == east
    assert encode({"at": east}) < encode({"at": east + timedelta(milliseconds=1)})


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (2**63, ValueError),
        (datetime(2026, 1, 1), ValueError),  # noqa: DTZ001 - naive on purpose
        (datetime(2026, 1, 1, microsecond=1, tzinfo=UTC), ValueError),
        ("\ud800", ValueError),
        ({1: 2}, TypeError),
        ((1, 2), TypeError),
        (object(), TypeError),
    ],
)
def test_what_would_not_come_back_is_refused(value: object, error: type[Exception]) -> None:
    for encoded in (encode, lambda document: bson.encode(to_bson(document))):
        with pytest.raises(error):
            encoded({"value": value})
