"""From what a recipe's steps set aside to the rejects of a dataset: each feature gets its place in its file."""

import json
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from libs.column_names import CODE, GEOMETRY, MESSAGE, PROBLEM, RAW
from libs.compute.engine import Processed
from libs.pipeline.rejects import Rejects

_PLACE = 3
"""Columns of :meth:`Processed.rejects` that are not those of the source, at its begin."""


@dataclass
class LoadedLayer:
    """A layer that was loaded into an engine.

    Attributes:
        first: Number of its first row in the dataset, from 0.
        path: Of its file, as the manifest says.
        name: Its own.
        crs: Of its geometries.
    """

    first: int
    path: str
    name: str
    crs: str | None
    _passed_over: "array[int]" = field(default_factory=lambda: array("q"))

    def pass_over(self, features: pa.Array) -> None:
        """Note features, by their numbers from 0 and in order, that the reader set aside: no engine got them."""
        before = len(self._passed_over)
        self._passed_over.extend(number - before - index for index, number in enumerate(features.to_pylist()))

    def feature(self, row: int) -> int:
        """The number of a feature in the layer, from 0, of which the engine got the row with this number."""
        return row + bisect_right(self._passed_over, row)


def add_rejects(processed: Processed, layers: Sequence[LoadedLayer], rejects: Rejects) -> None:
    """Hand over what the steps set aside.

    Args:
        processed: The result.
        layers: What it was made of, in the order in which it was loaded.
        rejects: Take it.
    """
    begins = [layer.first for layer in layers]
    for batch in processed.rejects():
        rows = batch.column(0).to_pylist()
        for index, layer in enumerate(layers):
            begin = bisect_right(rows, layer.first - 1)
            end = bisect_right(rows, begins[index + 1] - 1) if index + 1 < len(layers) else len(rows)
            if begin < end:
                features = [layer.feature(row - layer.first) for row in rows[begin:end]]
                some = _as_read(batch.slice(begin, end - begin), layer.name, features)
                rejects.add(some, pa.array(features, pa.int64()), path=layer.path, layer=layer.name, crs=layer.crs)


def _as_read(batch: pa.RecordBatch, layer: str, features: Sequence[int]) -> pa.RecordBatch:
    """Rows as the reader hands over those that it sets aside: their columns, what is wrong, and their values as text."""
    source = batch.select([*range(_PLACE, batch.num_columns)])
    problems = [
        json.dumps({"code": code, "message": message, "place": f"layer {layer}, feature {feature + 1:,}"})
        for code, message, feature in zip(batch[CODE].to_pylist(), batch[MESSAGE].to_pylist(), features, strict=True)
    ]
    texts = [as_text(source[name]) for name in source.schema.names if name != GEOMETRY]
    values = [json.dumps([text[row] for text in texts], ensure_ascii=False) for row in range(batch.num_rows)]
    return pa.RecordBatch.from_arrays(
        [*source.columns, pa.array(problems, pa.string()), pa.array(values, pa.string())],
        names=[*source.schema.names, PROBLEM, RAW],
    )


def as_text(column: pa.Array) -> list[str | None]:
    """Values as text: moments in ISO 8601, binary values in hexadecimal, nested ones as JSON."""
    type_ = column.type
    if pa.types.is_timestamp(type_) and type_.tz is not None:  # their text would need a database of time zones
        utc = column.cast(pa.timestamp(type_.unit, "UTC")).cast(pa.int64()).cast(pa.timestamp(type_.unit))
        return [None if text is None else f"{text}Z" for text in as_text(utc)]
    if pa.types.is_nested(type_):
        return [None if value is None else json.dumps(value, ensure_ascii=False, default=_plain) for value in column.to_pylist()]
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_fixed_size_binary(type_):
        return [None if value is None else value.hex() for value in column.to_pylist()]
    return list(pc.cast(column, pa.string()).to_pylist())


def _plain(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
