"""How many features lie where, for every zoom at which they are too many to be drawn: counted, none left out.

Only the ``bbox`` column of the lake files is read. A feature counts where the centre of its extent lies.
"""

import shutil
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from libs.column_names import BBOX
from libs.models import Asset
from libs.spatial_utils.crs import transformed
from libs.spatial_utils.mvt import CELLS, density_tile
from services.catalog.features import CRS84, is_lon_lat
from services.catalog.local import LocalFiles

Codes = npt.NDArray[np.uint64]

DEEPEST = 22
"""The last zoom."""
MOST = 4_000
"""Features of a tile that are drawn one by one."""
_CELL_BITS = CELLS.bit_length() - 1
_BITS = DEEPEST + _CELL_BITS
"""Of each axis in a place's code."""
_KEPT = 32
"""Datasets whose counts stay at hand. What was not used for the longest time goes first."""
_ROWS = 131_072
_1, _2 = np.uint64(1), np.uint64(2)
_MASKS = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)


@dataclass(frozen=True)
class Level:
    """The counts of one zoom, by tile in the order of their codes.

    Attributes:
        tiles: Codes of the tiles that hold anything.
        starts: Where the cells of each begin; one more at the end.
        cells: Code of each cell in its tile.
        counts: Features in each cell.
    """

    tiles: Codes
    starts: npt.NDArray[np.int64]
    cells: npt.NDArray[np.uint16]
    counts: npt.NDArray[np.uint32]

    def tile(self, x: int, y: int) -> bytes:
        """A tile of counts (MVT); empty where there is nothing."""
        (code,) = _interleaved(np.array([x], np.uint64), np.array([y], np.uint64))
        at = int(np.searchsorted(self.tiles, code))
        if at == len(self.tiles) or self.tiles[at] != code:
            return b""
        within = slice(self.starts[at], self.starts[at + 1])
        cells = self.cells[within].astype(np.uint64)
        return density_tile(_every_other(cells), _every_other(cells >> _1), self.counts[within])


@dataclass(frozen=True)
class Pyramid:
    """The counts of a dataset.

    Attributes:
        placed: Features that are counted.
        unplaced: Those that are on no tile: without a geometry, beyond 85.05 degrees north or south, beyond 180 east or west.
        levels: One for each zoom at which some tile has more than 4,000 features. From the next zoom on, features are drawn.
    """

    placed: int
    unplaced: int
    levels: tuple[Level, ...]

    @property
    def base(self) -> int:
        """The first zoom at which features are drawn; beyond the last one where too many of them lie in one place."""
        return len(self.levels)


class Pyramids:
    """The counts of datasets, made when they are first asked for.

    Args:
        files: Where the local files are.
        folder: Empty, for the counts. They are read from there as they are needed.
    """

    def __init__(self, files: LocalFiles, folder: Path) -> None:
        self._files, self._folder = files, folder
        self._lock = threading.Lock()
        self._made: OrderedDict[str, Pyramid] = OrderedDict()

    def of(self, asset: Asset) -> Pyramid:
        """The counts of a version.

        Raises:
            ObjectMissing, ObjectRefused: when a file cannot be read.
        """
        with self._lock:
            if asset.id not in self._made:
                folder = self._folder / asset.id
                folder.mkdir(parents=True, exist_ok=True)
                self._made[asset.id] = _made((self._files.path(file) for file in asset.data), asset, folder)
                if len(self._made) > _KEPT:
                    shutil.rmtree(self._folder / self._made.popitem(last=False)[0])  # whoever has opened it keeps it
            self._made.move_to_end(asset.id)
            return self._made[asset.id]


def _made(files: Iterable[Path], asset: Asset, folder: Path) -> Pyramid:
    total, placed = asset.features or 0, 0
    codes = np.empty(total, np.uint64)
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS, columns=[BBOX]):
                found = _codes(batch.column(0), asset.crs or CRS84)
                codes[placed : placed + len(found)] = found
                placed += len(found)
    codes = codes[:placed]
    codes.sort()
    base = bisect_left(range(DEEPEST + 1), True, key=lambda zoom: _is_sparse(codes, zoom))  # noqa: FBT003 - what is looked for
    cells, counts = codes >> _shift(base - 1 + _CELL_BITS), np.ones(placed, np.uint32)
    levels: list[Level] = []
    for zoom in reversed(range(base)):
        starts = _changes(cells)
        cells, counts = cells[starts], np.add.reduceat(counts, starts, dtype=np.uint32)
        levels.insert(0, _level(cells, counts, folder, zoom))
        cells = cells >> _2
    return Pyramid(placed, total - placed, tuple(levels))


def _level(cells: Codes, counts: npt.NDArray[np.uint32], folder: Path, zoom: int) -> Level:
    """A zoom's counts, put into files: of millions of cells, only those that are looked at are held."""
    tiles = cells >> np.uint64(2 * _CELL_BITS)
    starts = _changes(tiles)
    within = (cells & np.uint64(CELLS * CELLS - 1)).astype(np.uint16)
    return Level(
        tiles[starts],
        np.r_[starts, len(cells)],
        _kept(folder / f"cells-{zoom}.npy", within),
        _kept(folder / f"counts-{zoom}.npy", counts),
    )


def _kept(path: Path, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    np.save(path, values)
    return cast("npt.NDArray[Any]", np.load(path, mmap_mode="r"))


def _is_sparse(codes: Codes, zoom: int) -> bool:
    """Whether no tile of a zoom has more features than are drawn. Codes are in order."""
    if len(codes) <= MOST:
        return True
    tiles = codes >> _shift(zoom)
    return not bool((tiles[MOST:] == tiles[:-MOST]).any())


def _codes(extents: pa.StructArray, crs: str) -> Codes:
    """Where the centres of extents lie, as codes in which x and y take turns bit by bit; those left out that lie on no tile."""
    extents = extents.filter(extents.is_valid()) if extents.null_count else extents
    sides = [extents.field(name).to_numpy(zero_copy_only=False) for name in ("xmin", "ymin", "xmax", "ymax")]
    x, y = (sides[0] + sides[2]) / 2, (sides[1] + sides[3]) / 2
    if not is_lon_lat(crs):
        x, y = transformed(crs, CRS84, np.column_stack([x, y]))
    with np.errstate(invalid="ignore", divide="ignore"):
        across = x / 360 + 0.5
        down = 0.5 - np.arctanh(np.sin(np.radians(y))) / (2 * np.pi)
        here = (across >= 0) & (across <= 1) & (down >= 0) & (down <= 1) & (np.abs(y) <= 90)  # noqa: PLR2004 - degrees
    cells = [np.minimum(each[here] * 2**_BITS, 2**_BITS - 1).astype(np.uint64) for each in (across, down)]
    return _interleaved(*cells)


def _changes(values: Codes) -> npt.NDArray[np.int64]:
    """Where another value begins."""
    return np.flatnonzero(np.r_[len(values) > 0, values[1:] != values[:-1]][: len(values)])


def _shift(bits: int) -> np.uint64:
    """How far a code is shifted to have so many bits of each axis."""
    return np.uint64(2 * (_BITS - bits))


def _interleaved(x: Codes, y: Codes) -> Codes:
    return _spread(x) | _spread(y) << _1


def _spread(values: Codes) -> Codes:
    """Numbers of 32 bits with a zero before each bit."""
    for shift, mask in _MASKS:
        values = (values | values << np.uint64(shift)) & np.uint64(mask)
    return values


def _every_other(codes: Codes) -> Codes:
    """Every second bit of codes of 14 bits, from the last one on."""
    values = codes & np.uint64(0x1555)
    for shift, mask in ((1, 0x3333), (2, 0x0F0F), (4, 0x00FF)):
        values = (values | values >> np.uint64(shift)) & np.uint64(mask)
    return values
