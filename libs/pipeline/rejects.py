"""Features that a policy sets aside: collected while a dataset is made, and written beside it as a file of the version.

The file has the role ``rejects``: GeoParquet, first what was found on reading, then what the recipe's steps found, each in the
order of the sources. Each feature has its place and what is wrong with it, the values of its attributes as they stand in the
source, as text, and its geometry as far as it can be read, in the CRS of the source.
"""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from libs.column_names import BBOX, GEOMETRY
from libs.models import FileRole, Policies, Problem, Rejected
from libs.models.policies import allowed
from libs.spatial_utils import geoparquet
from libs.spatial_utils.crs import require_crs
from libs.spatial_utils.geoparquet import BBOX_TYPE, WrittenFile

NAME = "rejects.parquet"
_OWN = ("reject_file", "reject_layer", "reject_feature", "reject_code", "reject_message")
_SHOWN = 5


class Rejects:
    """The features of one dataset that were set aside.

    Args:
        folder: In scratch, for this dataset; made when the first feature comes.

    Attributes:
        count: How many there are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._spill_path = folder, folder / f"{NAME}.arrow"
        self._spill: Any = None
        self._writer: pa.RecordBatchFileWriter | None = None
        self._schema: pa.Schema | None = None
        self._crs = set[str | None]()
        self._codes = Counter[str]()
        self._first = dict[str, str]()
        self.count = 0

    def add(self, batch: pa.RecordBatch, rows: pa.Array, *, path: str, layer: str, crs: str | None) -> None:
        """Add features of a layer.

        Args:
            batch: As :attr:`LayerStream.set_aside` gets them, the attributes under the names that they have in the lake.
            rows: Their numbers in the layer, from 0.
            path: Of the file, as the manifest says.
            layer: Its name.
            crs: Of the geometries.
        """
        names = batch.schema.names[:-2]
        attributes = [name for name in names if name != GEOMETRY]
        problems = [json.loads(problem) for problem in batch.column(len(names)).to_pylist()]
        raw = [json.loads(values) for values in batch.column(len(names) + 1).to_pylist()]
        if self._schema is None:
            own = [pa.field(name, pa.int64() if name == "reject_feature" else pa.string()) for name in _OWN]
            geometry = [pa.field(GEOMETRY, pa.binary()), pa.field(BBOX, BBOX_TYPE)] if GEOMETRY in names else []
            self._schema = pa.schema([*own, *(pa.field(name, pa.string()) for name in attributes), *geometry])
            self._spill_path.parent.mkdir(parents=True, exist_ok=True)
            self._spill = self._spill_path.open("wb")
            self._writer = pa.ipc.new_file(self._spill, self._schema)
        size = batch.num_rows
        columns: list[Any] = [
            pa.array([path] * size), pa.array([layer] * size), pa.array([row + 1 for row in rows.to_pylist()], pa.int64()),
            pa.array([problem["code"] for problem in problems]), pa.array([problem["message"] for problem in problems]),
            *(pa.array([values[index] for values in raw], pa.string()) for index in range(len(attributes))),
        ]  # fmt: skip
        if GEOMETRY in names:
            columns += [batch.column(len(names) - 1), _extents(batch.column(len(names) - 1))]
        if self._writer is not None:
            self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._crs.add(crs)
        self.count += size
        for problem, row in zip(problems, rows.to_pylist(), strict=True):
            self._codes[problem["code"]] += 1
            self._first.setdefault(problem["code"], f"{layer}, feature {row + 1}")

    def require_few(self, features: int, policies: Policies, where: str) -> None:
        """Refuse the dataset where more are set aside than its policies allow.

        Args:
            features: Of the sources, with those that are set aside.
            policies: In force.
            where: Place of the dataset, for the problem.

        Raises:
            Rejected: ``too_many_set_aside``.
        """
        most = allowed(policies, features)
        if self.count <= most:
            return
        kinds = "; ".join(
            f"{number:,} {code} (the first: layer {self._first[code]})" for code, number in self._codes.most_common(_SHOWN)
        )
        raise Rejected.because(
            "too_many_set_aside",
            where,
            f"{self.count:,} of {features:,} features would be set aside; {most:,} are allowed. {kinds}.",
            f'Correct them in their source. To allow so many, write "max_set_aside": {self.count} in the manifest.',
        )

    def write(self) -> WrittenFile | None:
        """Write the file; None when nothing was set aside."""
        if self._writer is None or self._schema is None:
            return None
        self.close()
        only = next(iter(self._crs)) if len(self._crs) == 1 else None  # of several, no one is right
        crs = require_crs(only, "rejects").projjson if only else None
        with pa.ipc.open_file(self._spill_path) as spilled:
            batches = (spilled.get_batch(index) for index in range(spilled.num_record_batches))
            groups = geoparquet.row_groups(self._schema, batches)
            written = geoparquet.write(self._folder / NAME, self._schema, groups, crs)
        self._spill_path.unlink()
        geoparquet.check(written, features=self.count, bbox=written.bbox, crs=crs)
        return replace(written, role=FileRole.REJECTS)

    def close(self) -> None:
        """Let go of the file that collects them."""
        if self._writer is not None:
            self._writer.close()
            self._spill.close()


def warning(count: int, file: str, where: str) -> Problem:
    """What the uploader reads of features that were set aside."""
    return Problem(
        code="set_aside",
        where=where,
        message=f"Set aside, as the policies say: {count:,} of the features. They are in {file} beside the data, each with its "
        "place and what is wrong with it.",
        remedy="Correct them in their source and deliver it again, if they are wanted.",
    )


def _extents(geometry: pa.Array) -> pa.Array:
    import shapely

    wkb = geometry.to_numpy(zero_copy_only=False)
    bounds = shapely.bounds(shapely.from_wkb(wkb, on_invalid="ignore"))
    sides = [pa.array(side, field.type, from_pandas=True) for side, field in zip(bounds.T, BBOX_TYPE, strict=True)]
    return pa.StructArray.from_arrays(sides, fields=[*BBOX_TYPE], mask=geometry.is_null())
