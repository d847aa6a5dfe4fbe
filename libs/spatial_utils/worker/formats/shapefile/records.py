"""Records of a Shapefile as GDAL's batches of them would be, as long as they are ordinary."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.formats.shapefile.parts import FastPathUnsupported
from libs.spatial_utils.worker.formats.shapefile.shapes import Shapes
from libs.spatial_utils.worker.formats.shapefile.table import DbfTable

_MOST_ASKED = 1 / 8
"""Share of shapes that may be asked of GDAL one by one: it takes several times as long as to have it read one after the other."""


def batches(
    path: Path, types: Sequence[pa.DataType], *, geometry: bool, ask: Callable[[int], bytes | None]
) -> Iterator[pa.RecordBatch]:
    """Records in their order, columns by their position.

    Args:
        path: The ``.shp``, or a ``.dbf``; checked.
        types: Of the attributes in GDAL's batches, text not decoded.
        geometry: Whether the geometry is wanted, too, as the last column.
        ask: A record's number to its geometry as GDAL has it (WKB).

    Raises:
        FastPathUnsupported: GDAL has to read on, from the first record that has not been yielded.
    """
    if not (types or geometry):
        raise FastPathUnsupported("rows of nothing")
    table = DbfTable(path, types)
    shapes = Shapes(path) if geometry else None
    first = 0
    while first < table.rows:
        rows = min(table.rows_at_once, table.rows - first)
        if shapes is None:
            columns = table.window(first, rows)
        else:
            wkb, unclear = shapes.window(first, rows)
            rows = len(wkb)
            columns = [*table.window(first, rows), _asked(wkb, unclear, first, ask)]
        yield pa.RecordBatch.from_arrays(columns, [str(index) for index in range(len(columns))])
        first += rows


def _asked(wkb: pa.BinaryArray, unclear: pa.BooleanArray, first: int, ask: Callable[[int], bytes | None]) -> pa.BinaryArray:
    rows = pc.indices_nonzero(unclear).to_pylist()
    if not rows:
        return wkb
    if len(rows) > len(wkb) * _MOST_ASKED:
        raise FastPathUnsupported("too many shapes of more than one part")
    return pc.replace_with_mask(wkb, unclear, pa.array([ask(first + row) for row in rows], pa.binary()))
