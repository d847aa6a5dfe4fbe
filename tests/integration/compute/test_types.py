"""What an engine is given, it gives back: types, values, names."""

import math
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

pytestmark = pytest.mark.integration

INTEGERS = {
    f"{sign}int{bits}": pa.array([low, high, 0, None], getattr(pa, f"{sign}int{bits}")())
    for bits in (8, 16, 32, 64)
    for sign, low, high in (("", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1), ("u", 0, 2**bits - 1))
}
FLOATS = [math.nan, math.inf, -math.inf, -0.0, 0.0, None]
DAY = 86_400
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
TIMES = {
    f"time-{unit}": pa.array([0, DAY * per_second - 1, None], pa.time32(unit) if unit in {"s", "ms"} else pa.time64(unit))
    for unit, per_second in UNITS.items()
}
MOMENTS = {
    f"timestamp-{unit}-{zone}": pa.array([-1, 0, 1, 4_102_444_800 * per_second + 1, None], pa.timestamp(unit, zone))
    for unit, per_second in UNITS.items()
    for zone in (None, "UTC", "Europe/Berlin", "+02:00", "America/New_York")
}
VALUES: dict[str, pa.Array] = {
    **INTEGERS,
    "float16": pa.array([1.5, -65504.0, None], pa.float16()),
    "float32": pa.array([*FLOATS, 3.4028234663852886e38, 1e-45], pa.float32()),
    "float64": pa.array([*FLOATS, 1.7976931348623157e308, 5e-324, 0.1 + 0.2]),
    "bool": pa.array([True, False, None]),
    "string": pa.array(["", " ", "NULL", "it's \"quoted\"", "a\\b\n\t", "Ümläut é", "東京", "👩‍🚀", "\u202eright to left", None]),
    "string-long": pa.array(["x" * 1_000_000, None]),
    "large-string": pa.array(["", "a", None], pa.large_string()),
    "binary": pa.array([b"", b"\0", b"a\0b", bytes(range(256)), None], pa.binary()),
    "date32": pa.array([date(1, 1, 1), date(1582, 10, 10), date(1970, 1, 1), date(9999, 12, 31), None]),
    **TIMES,
    **MOMENTS,
    "timestamp-far": pa.array([-62_135_596_800_000_000, 253_402_300_799_999_999, None], pa.timestamp("us")),
    "decimal": pa.array([Decimal("1.10"), Decimal("-99999999.99"), None], pa.decimal128(10, 2)),
    "decimal-38": pa.array([Decimal("9" * 36 + ".99"), Decimal("-0.01"), None], pa.decimal128(38, 2)),
    "decimal-256": pa.array([Decimal("9" * 36 + ".99"), None], pa.decimal256(38, 2)),
    "duration": pa.array([-1, 2**62, None], pa.duration("us")),
    "list-string": pa.array([["a", None, ""], [], None]),
    "list-int": pa.array([[-(2**63), None], [], None], pa.list_(pa.int64())),
    "list-double": pa.array([[0.1, -0.0, math.inf], [], None], pa.list_(pa.float64())),
    "list-moment": pa.array([[1, None], [], None], pa.list_(pa.timestamp("ns", "UTC"))),
    "list-element": pa.array([[1], [], None], pa.list_(pa.field("element", pa.int32()))),
    "struct": pa.array([{"a": 1, "b": None}, {"a": None, "b": "x"}, None]),
    "nulls": pa.nulls(3),
    "nulls-int": pa.nulls(3, pa.int16()),
    "nulls-string": pa.nulls(3, pa.string()),
    "nulls-moment": pa.nulls(3, pa.timestamp("ms", "UTC")),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back_as_they_went(name: str, through: Callable, source: Callable, wkb: Callable) -> None:
    values = VALUES[name]
    result = through(source(pa.table({"value": values, "geom": wkb(*["POINT (1 2)"] * len(values))})))
    assert result.rows.schema.field("value").type == values.type
    back = result.rows["value"].combine_chunks()
    # NaN equals nothing, and -0.0 equals 0.0: floats are compared as they are shown.
    assert repr(back.to_pylist()) == repr(values.to_pylist()) if "float" in name else back.equals(values)


def test_a_type_that_cannot_be_kept_is_refused_by_name(through: Callable, source: Callable, wkb: Callable) -> None:
    from libs.models import Rejected

    wide = pa.array([Decimal("1." + "0" * 60)], pa.decimal256(70, 60))
    with pytest.raises(Rejected) as caught:
        through(source(pa.table({"amount": wide, "geom": wkb("POINT (1 2)")}), where="files[3]: layer a"))
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("unsupported_type", "files[3]: layer a")
    assert "amount" in problem.message
    assert "decimal256(70, 60)" in problem.message


@pytest.mark.parametrize(
    "name",
    ['say "no"', "it's", "with space", " leading", "ä.b", "名前", "select", "ORDER", "raw_data", "processed", "a;b--", "1st",
     "x" * 300, "%s", "{}", "$1", "?", "\\", "\n", "name/*", "row", "rowid", "ctid", "oid", "tableoid", "xmin"],
)  # fmt: skip
def test_any_column_name(name: str, through: Callable, source: Callable, wkb: Callable) -> None:
    table = pa.table({"first": ["a", "b"], name: [1, 2], "geom": wkb("POINT (0 0)", None)})
    result = through(source(table), by="default")
    assert result.rows.column_names == ["first", name, "geom", "bbox"]
    assert result.rows[name].to_pylist() == [1, 2]


def test_long_names_that_differ_at_their_end(through: Callable, source: Callable) -> None:
    names = ["x" * 200 + end for end in "abc"]
    assert through(source(pa.table({name: [number] for number, name in enumerate(names)}))).rows.to_pylist() == [
        dict(zip(names, range(3), strict=True))
    ]


@pytest.mark.parametrize("by", ["raw", "default"])
def test_no_rows(by: str, through: Callable, source: Callable, wkb: Callable) -> None:
    table = pa.table({"a": pa.array([], pa.int8()), "b": pa.array([], pa.list_(pa.string())), "geom": wkb()})
    result = through(source(table), by=by)
    assert (result.features, result.bbox, result.rows.num_rows) == (0, None, 0)
    assert [str(field.type) for field in result.rows.schema][:3] == ["int8", "list<item: string>", "binary"]


def test_no_attributes(through: Callable, source: Callable, wkb: Callable) -> None:
    result = through(source(pa.table({"geom": wkb("POINT (1 2)", None)})))
    assert result.rows.column_names == ["geom", "bbox"]
    assert result.features == 2


@pytest.mark.parametrize("by", ["raw", "default"])
def test_a_table_has_no_geometry_and_keeps_its_order(by: str, through: Callable, source: Callable) -> None:
    numbers = [3, 1, 2, None, 1]
    result = through(source(pa.table({"n": numbers})), by=by)
    assert result.rows.column_names == ["n"]
    assert result.rows["n"].to_pylist() == numbers
    assert (result.crs, result.bbox, result.features) == (None, None, 5)


def test_metadata_of_a_source_does_not_matter(through: Callable, source: Callable) -> None:
    plain: Any = pa.table({"n": [1]})
    marked = plain.replace_schema_metadata({"by": "someone"})
    assert through([source(plain), source(marked)]).rows["n"].to_pylist() == [1, 1]
