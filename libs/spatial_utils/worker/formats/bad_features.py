"""Features of which something cannot be read, found before GDAL reads the file: what it makes of that is taken out."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.protocol import Unreadable


class Bad(NamedTuple):
    """What cannot be read of a feature.

    Attributes:
        kind: Of the policy: ``geometry`` or ``value``.
        problem: What is wrong.
        column: That of a value.
        text: The value as it stands in the file; None where it comes as it is.
    """

    kind: str
    problem: Unreadable
    column: str = ""
    text: str | None = None


def without(batch: pa.RecordBatch, layer: OgrLayer, bad: Mapping[int, Sequence[Bad]]) -> pa.RecordBatch:
    """A batch of a layer without what cannot be read of some of its rows.

    Raises:
        Unreadable: the problem of one, where the policy is to reject.
    """
    lost = defaultdict[int, list[int]](list)
    for row, found in bad.items():
        for each in {(each.kind, each.column): each for each in reversed(found)}.values():  # the first of each
            if not (each.column or layer.geometry):
                continue
            layer.quarantine.meet(each.kind, row, each.problem, each.column, each.text)
            lost[layer.names.index(each.column) if each.column else layer.geometry_position].append(row)
    columns = [*batch.columns]
    for position, rows in lost.items():
        columns[position] = _null_in(columns[position], rows)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _null_in(column: pa.Array, rows: Collection[int]) -> pa.Array:
    lost = [False] * len(column)
    for row in rows:
        lost[row] = True
    return pc.if_else(pa.array(lost), pa.scalar(None, column.type), column)
