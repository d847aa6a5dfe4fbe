import dataclasses
import hashlib
import json
import struct
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.pipeline.build import release
from libs.spatial_utils import geoparquet
from libs.spatial_utils.geoparquet import BBOX_TYPE, ResultFile, SelfCheckFailed, WrittenFile, check, inspect, row_groups
from tests.sampling import examples

CRS = {"type": "GeographicCRS", "name": "x", "id": {"authority": "EPSG", "code": 4326}}
SCHEMA = pa.schema([("n", pa.int64()), ("tags", pa.list_(pa.string())), ("geom", pa.binary()), ("bbox", BBOX_TYPE)])
EXTENT = (0.0, -4.0, 4.0, 0.0)


def write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], crs: Any) -> WrittenFile:
    return geoparquet.write(path, schema, row_groups(schema, batches), crs)


def point(x: float, y: float) -> bytes:
    return struct.pack("<BIdd", 1, 1, x, y)


def rows(count: int = 5) -> pa.RecordBatch:
    """Points along a diagonal, the last without geometry."""
    places = [(float(n), float(-n)) for n in range(count)]
    geometry = [point(*place) for place in places] + [None]
    boxes = [dict(zip(("xmin", "ymin", "xmax", "ymax"), place * 2, strict=True)) for place in places] + [None]
    values = [
        pa.array(range(count + 1)),
        pa.array([["a"]] * (count + 1)),
        pa.array(geometry, pa.binary()),
        pa.array(boxes, BBOX_TYPE),
    ]
    return pa.RecordBatch.from_arrays(values, schema=SCHEMA)


@pytest.fixture
def written(tmp_path: Path) -> WrittenFile:
    return write(tmp_path / "data.parquet", SCHEMA, [rows()], CRS)


def test_what_is_said_of_a_file_is_so(written: WrittenFile) -> None:
    content = written.path.read_bytes()
    assert (written.sha256, written.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (written.features, written.bbox, written.geometry_types) == (6, EXTENT, ("Point",))
    assert pq.read_table(written.path).equals(pa.Table.from_batches([rows()]))
    check(written, features=6, bbox=EXTENT, crs=CRS)


@pytest.mark.parametrize("layer", [True, False])
def test_what_another_has_written_is_measured_the_same(layer: bool, tmp_path: Path) -> None:
    batch = rows() if layer else rows().select(["n", "tags"])
    ours = write(tmp_path / "part-00000.parquet", batch.schema, [batch], CRS if layer else None)
    assert inspect(ResultFile("data", ours.path, 6)) == ours
    with pytest.raises(SelfCheckFailed, match="another row count: 6 instead of 5"):
        inspect(ResultFile("data", ours.path, 5))


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("row count", {"features": 7}),
        ("row count", {"features": 0}),
        ("bbox", {"bbox": None}),
        ("bbox", {"bbox": (0.0, -4.0, 4.0, 1e-9)}),
        ("CRS", {"crs": None}),
        ("CRS", {"crs": {**CRS, "name": "y"}}),
    ],
)
def test_a_file_that_is_not_what_was_asked_for(what: str, expected: dict[str, Any], written: WrittenFile) -> None:
    with pytest.raises(SelfCheckFailed, match=what):
        check(written, **({"features": 6, "bbox": EXTENT, "crs": CRS} | expected))


def with_geo(table: pa.Table, change: Callable[[dict[str, Any]], Any]) -> pa.Table:
    assert table.schema.metadata is not None
    geo = json.loads(table.schema.metadata[b"geo"])
    change(geo["columns"]["geom"])
    return table.replace_schema_metadata({"geo": json.dumps(geo)})


TAMPERED: dict[str, Callable[[pa.Table], pa.Table]] = {
    "schema": lambda table: table.set_column(0, "n", table["n"].cast(pa.int32())),
    "schema ": lambda table: table.set_column(0, "m", table["n"]),
    "row count": lambda table: table.slice(0, 5),
    "size": lambda table: table.set_column(1, "tags", pa.array([["b" * n] for n in range(6)])),
    "CRS": lambda table: with_geo(table, lambda geo: geo["crs"].update(name="y")),
    "bbox": lambda table: with_geo(table, lambda geo: geo.update(bbox=[0, -4, 4, 0.5])),
    "bbox ": lambda table: with_geo(table, lambda geo: geo.pop("bbox")),
    "covering": lambda table: table.set_column(
        3, "bbox", pa.array([{"xmin": 0.0, "ymin": -4.0, "xmax": 3.0, "ymax": 0.0}] * 6, BBOX_TYPE)
    ),
    "without GeoParquet metadata": lambda table: table.replace_schema_metadata(None),
    "covering ": lambda table: table.set_column(3, "bbox", pa.nulls(6, BBOX_TYPE)),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_file_that_was_tampered_with(what: str, written: WrittenFile) -> None:
    table = pq.read_table(written.path).replace_schema_metadata({"geo": pq.read_metadata(written.path).metadata[b"geo"]})
    pq.write_table(TAMPERED[what](table), written.path)
    lying = written if what == "size" else dataclasses.replace(written, bytes=written.path.stat().st_size)
    with pytest.raises(SelfCheckFailed, match=what.strip()):
        check(lying, features=6, bbox=EXTENT, crs=CRS)


def test_readers_through_arrow_see_the_same_metadata(written: WrittenFile) -> None:
    own = pq.read_metadata(written.path).metadata
    assert set(own) == {b"geo", b"ARROW:schema"}
    for schema in (pq.read_schema(written.path), pq.read_table(written.path).schema):
        assert schema.metadata == {b"geo": own[b"geo"]}


def test_a_file_whose_arrow_schema_lacks_the_metadata(written: WrittenFile) -> None:
    """As pyarrow leaves it by itself when metadata is added at the end."""
    table = pq.read_table(written.path).replace_schema_metadata(None)
    geo = pq.read_metadata(written.path).metadata[b"geo"]
    with pq.ParquetWriter(written.path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"geo": geo})
    lying = dataclasses.replace(written, bytes=written.path.stat().st_size)
    with pytest.raises(SelfCheckFailed, match="Arrow schema"):
        check(lying, features=6, bbox=EXTENT, crs=CRS)


def test_other_bytes_come_with_another_release(written: WrittenFile) -> None:
    """A replay explains other bytes by the versions that made them: raise the release in pyproject.toml with the bytes."""
    made_by = (release(), pa.__version__)
    assert (made_by, written.sha256) == (("0.2.0", "26.0.1"), "22c3ce909d5b3443d8bf7ac007723f24d5cd6c40381d994fd4bb6ffcd768ccf6")


def test_a_file_that_was_cut_off(written: WrittenFile) -> None:
    with written.path.open("r+b") as file:
        file.truncate(written.bytes - 1)
    with pytest.raises(pa.ArrowInvalid):
        check(written, features=6, bbox=EXTENT, crs=CRS)


@pytest.mark.parametrize("code", [0, 8, 15, 17, 2001, 3001, 0x80000001])
def test_geometry_that_has_no_place_in_a_file_is_no_silent_damage(code: int, tmp_path: Path) -> None:
    batch = rows(1).set_column(2, "geom", pa.array([struct.pack("<BIdd", 1, code, 0, 0), None], pa.binary()))
    with pytest.raises(SelfCheckFailed, match=str(code)):
        write(tmp_path / "data.parquet", SCHEMA, [batch], CRS)


def test_nothing_is_written_over(written: WrittenFile) -> None:
    with pytest.raises(FileExistsError):
        write(written.path, SCHEMA, [rows()], CRS)


def test_an_error_of_the_rows_comes_out(tmp_path: Path) -> None:
    def failing() -> Any:
        yield rows()
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        write(tmp_path / "data.parquet", SCHEMA, failing(), CRS)


@pytest.mark.parametrize("batches", [[], [rows(0).slice(0, 0)]])
def test_no_rows(batches: list[pa.RecordBatch], tmp_path: Path) -> None:
    written = write(tmp_path / "data.parquet", SCHEMA, batches, None)
    assert (written.features, written.bbox, written.geometry_types) == (0, None, ())
    check(written, features=0, bbox=None, crs=None)


COUNT = 400


@settings(deadline=None, max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, COUNT), max_size=10))
def test_the_same_bytes_however_rows_were_batched(cuts: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as small:
        small.setattr(geoparquet, "ROW_GROUP_ROWS", 100)
        small.setattr(geoparquet, "ROW_GROUP_BYTES", 1_000)
        batch = rows(COUNT - 1)
        hashes = set()
        for edges in ([0, COUNT], sorted([0, COUNT, *cuts])):
            path = tmp_path / "data.parquet"
            pieces = [batch.slice(start, end - start) for start, end in pairwise(edges)]
            hashes.add(write(path, SCHEMA, pieces, CRS).sha256)
            path.unlink()
    assert len(hashes) == 1


def test_row_groups_end_by_number_or_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geoparquet, "ROW_GROUP_ROWS", 10)
    monkeypatch.setattr(geoparquet, "ROW_GROUP_BYTES", 1_000)
    sizes = [1] * 25 + [400] * 5 + [5_000, 5_000] + [1] * 12
    schema = pa.schema([("n", pa.int64()), ("text", pa.string()), ("raw", pa.binary())])
    halves = [["x" * (size // 2) for size in sizes], [b"x" * (size - size // 2) for size in sizes]]
    batch = pa.RecordBatch.from_arrays([pa.array(range(len(sizes))), *map(pa.array, halves)], schema=schema)
    written = write(tmp_path / "data.parquet", schema, [batch], None)
    metadata = pq.read_metadata(written.path)
    groups = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    assert groups == [10, 10, 7, 2, 1, 1, 1, 10, 2]
    assert pq.read_table(written.path)["n"].to_pylist() == list(range(len(sizes)))
