"""A result becomes files: by the one writer in this process, or by an engine that writes parts itself. Both are checked."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from libs.compute.engine import ComputeEngine, Processed, Target
from libs.compute.writing import write_result
from libs.spatial_utils.crs import Crs
from libs.spatial_utils.geoparquet import BBOX_TYPE, ResultFile, SelfCheckFailed, WrittenFile

pytestmark = pytest.mark.integration

CRS = Crs.parse("EPSG:4326").projjson
ROWS = 1_000
PARTS = 2
GEO: dict[str, Any] = {
    "encoding": "WKB", "geometry_types": ["Point"], "crs": CRS,
    "covering": {"bbox": {each.name: ["bbox", each.name] for each in BBOX_TYPE}},
}  # fmt: skip


class InParts(Processed):
    """The result of an engine that writes two parts by a writer of its own."""

    def __init__(self, processed: Processed) -> None:
        self._processed = processed
        self.schema, self.crs, self.features, self.bbox = processed.schema, processed.crs, processed.features, processed.bbox
        self.changes, self.origins, self.warnings = processed.changes, processed.origins, processed.warnings
        self.geo, self.lost, self.claimed_more = GEO, 0, 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        return self._processed.batches()

    def write(self, target: Target) -> Sequence[ResultFile]:
        rows = pa.Table.from_batches(self.batches(), self.schema)
        half = rows.num_rows // PARTS
        files = []
        for number, part in enumerate((rows.slice(0, half), rows.slice(half, rows.num_rows - half - self.lost))):
            path = target.folder / f"part-{number:05}.parquet"
            self._write_part(path, part)
            files.append(ResultFile("data", path, part.num_rows + self.claimed_more))
        return files

    def _write_part(self, path: Path, part: pa.Table) -> None:
        sides = {side: part["bbox"].combine_chunks().field(side).to_pylist() for side in ("xmin", "ymin", "xmax", "ymax")}
        bbox = [min(sides["xmin"]), min(sides["ymin"]), max(sides["xmax"]), max(sides["ymax"])]
        geo = {"version": "1.1.0", "primary_column": "geom", "columns": {"geom": self.geo | {"bbox": bbox}}}
        pq.write_table(part.replace_schema_metadata({"geo": json.dumps(geo)}), path, compression="snappy")


@pytest.fixture
def processed(engine: ComputeEngine, recipe: Callable, source: Callable, wkb: Callable, tmp_path: Path) -> Iterator[Processed]:
    """A thousand points, still in the engine."""
    table = pa.table({"n": range(ROWS), "geom": wkb(*(f"POINT ({n % 170} {n % 80})" for n in range(ROWS)))})
    with engine.workspace("write#1", tmp_path) as workspace:
        dataset = workspace.dataset(recipe("default"))
        dataset.load(source(table))
        yield dataset.finish()


@pytest.fixture
def target(tmp_path: Path) -> Target:
    (tmp_path / "result").mkdir()
    return Target(tmp_path / "result", CRS, {"more": "said"})


def rows_of(files: Sequence[WrittenFile]) -> pa.Table:
    return pa.concat_tables([pq.read_table(file.path).replace_schema_metadata() for file in files])


def test_an_engine_streams_into_one_file_by_default(processed: Processed, target: Target) -> None:
    (file,) = write_result(processed, target)
    assert (file.role, file.name, file.path.parent, file.features) == ("data", "data.parquet", target.folder, ROWS)
    assert file.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()
    assert (file.bbox, file.geometry_types) == (processed.bbox, ("Point",))
    assert pq.read_metadata(file.path).metadata[b"more"] == b"said"


def test_an_engine_may_write_parts_itself(processed: Processed, target: Target) -> None:
    files = write_result(InParts(processed), target)
    assert [(file.role, file.name, file.features) for file in files] == [
        ("data", "part-00000.parquet", ROWS // 2),
        ("data", "part-00001.parquet", ROWS // 2),
    ]
    assert [file.sha256 for file in files] == [hashlib.sha256(file.path.read_bytes()).hexdigest() for file in files]
    assert [file.bytes for file in files] == [file.path.stat().st_size for file in files]
    assert {file.geometry_types for file in files} == {("Point",)}
    assert sorted(rows_of(files)["n"].to_pylist()) == [*range(ROWS)]


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        ({"lost": 1}, "another row count"),
        ({"claimed_more": 1}, "another row count"),
        ({"geo": GEO | {"crs": Crs.parse("EPSG:3857").projjson}}, "another CRS"),
        ({"geo": {key: value for key, value in GEO.items() if key != "crs"}}, "another CRS"),
        ({"geo": GEO | {"geometry_types": ["Polygon"]}}, "another list of geometry types"),
    ],
    ids=["a row is lost", "more rows are claimed", "wrong CRS", "no CRS", "wrong types"],
)
def test_parts_that_are_not_the_result_are_refused(
    spoiled: dict[str, Any], words: str, processed: Processed, target: Target
) -> None:
    result = InParts(processed)
    for name, value in spoiled.items():
        setattr(result, name, value)
    with pytest.raises(SelfCheckFailed, match=words):
        write_result(result, target)


def test_a_part_that_is_no_parquet_is_refused(processed: Processed, target: Target) -> None:
    class Torn(InParts):
        def _write_part(self, path: Path, part: pa.Table) -> None:
            super()._write_part(path, part)
            path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(SelfCheckFailed, match=r"part-00000.parquet cannot be read back"):
        write_result(Torn(processed), target)


def test_a_part_with_another_schema_is_refused(processed: Processed, target: Target) -> None:
    class Narrower(InParts):
        def _write_part(self, path: Path, part: pa.Table) -> None:
            super()._write_part(path, part.drop_columns("n"))

    with pytest.raises(SelfCheckFailed, match="another schema"):
        write_result(Narrower(processed), target)


def test_a_result_without_files_is_refused(processed: Processed, target: Target) -> None:
    class Nothing(InParts):
        def write(self, target: Target) -> Sequence[ResultFile]:
            return []

    with pytest.raises(SelfCheckFailed, match=r"\(no file\) reads back with another row count"):
        write_result(Nothing(processed), target)
