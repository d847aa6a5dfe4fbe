import pyarrow as pa
import pytest

from libs.compute.type_mapping import engine_schema, restored
from libs.models import Rejected


@pytest.mark.parametrize(
    "type_",
    [pa.int8(), pa.string(), pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.list_(pa.int64()),
     pa.struct([("a", pa.float64())]), pa.map_(pa.string(), pa.int64()), pa.decimal128(38, 2)],
)  # fmt: skip
def test_what_the_engine_has_travels_as_it_is(type_: pa.DataType) -> None:
    assert engine_schema(pa.schema([("a", type_)]), "files[0]").field("a").type == type_


@pytest.mark.parametrize(
    "type_",
    [
        pa.null(),
        pa.float16(),
        pa.duration("ms"),
        pa.timestamp("ns", "Europe/Berlin"),
        pa.decimal256(38, 0),
        pa.list_(pa.float16()),
    ],
)
def test_what_it_does_not_have_comes_back(type_: pa.DataType) -> None:
    schema = pa.schema([("a", type_)])
    carried = engine_schema(schema, "files[0]")
    assert carried.field("a").type != type_
    batch = pa.RecordBatch.from_pydict({"a": pa.nulls(2, carried.field("a").type)}, schema=carried)
    assert restored(batch, schema).equals(pa.RecordBatch.from_pydict({"a": pa.nulls(2, type_)}, schema=schema))


def test_every_column_that_cannot_travel_is_named() -> None:
    schema = pa.schema([("fine", pa.int64()), ("wide", pa.decimal256(76, 0)), ("odd", pa.struct([("x", pa.float16())]))])
    with pytest.raises(Rejected) as caught:
        engine_schema(schema, "files[2]: layer a")
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [("unsupported_type", "files[2]: layer a")] * 2
    assert "'wide'" in caught.value.problems[0].message
    assert "'odd'" in caught.value.problems[1].message
