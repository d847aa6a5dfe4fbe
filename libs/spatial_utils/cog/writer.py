"""The pass over the strips: tiles are compressed side by side, and every overview grows with them."""

import hashlib
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from libs.spatial_utils.cog.halving import HALVINGS, halved_mask
from libs.spatial_utils.cog.layout import Sizes, framed, header
from libs.spatial_utils.cog.profile import CogProfile, CogResult, Samples, Strip
from libs.spatial_utils.cog.statistics import NOTHING, Tally, tally, together
from libs.spatial_utils.cog.tiles import encoded, encoded_mask
from libs.spatial_utils.cog.validity import Validity

_CHUNK = 1 << 20  # bytes of a scratch file that are joined and hashed at a time


def write_cog(target_path: Path, profile: CogProfile, strips: Iterable[Strip], threads: int) -> CogResult:
    """Write a Cloud Optimized GeoTIFF; the same bytes for any number of threads.

    Args:
        target_path: the file; what is there is replaced. Scratch files lie in its folder, without a name.
        profile: the raster.
        strips: from top to bottom, `profile.tile` rows each; the last one has the rest. Two are held at a time.
        threads: how many compress; the strips are read in the caller's.

    Returns:
        The file's hash, size, overviews and statistics.

    Raises:
        ValueError: the strips are not those of the profile: a size that differs, too few, too many, a mask more or less.
        OSError: the disk is full, or cannot be written to.
    """
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(threads, "cog"))
        dimensions = [(profile.width, profile.height), *profile.overviews]
        scratch = [stack.enter_context(tempfile.TemporaryFile(dir=target_path.parent)) for _ in dimensions]
        levels = [_Level(profile, width, height, file, pool) for (width, height), file in zip(dimensions, scratch, strict=True)]
        for level, next_one in pairwise(levels):
            level.next = next_one
        for rows in _checked(profile, strips):
            levels[0].start(rows)
        for level in levels:
            level.finish()
        statistics = tuple(band.statistics() for band in levels[0].tallies)
        head, big = header(
            profile, [Sizes(level.sizes, level.mask_sizes if profile.mask else None) for level in levels], statistics
        )
        sha256, size = _join(target_path, head, list(reversed(scratch)))
    return CogResult(sha256, size, big, profile.overviews, statistics)


class _Rows(NamedTuple):
    """Rows of a resolution: samples (bands, rows, width), mask (rows, width)."""

    samples: Samples
    mask: Samples | None


class _Tile(NamedTuple):
    """What comes of a tile."""

    data: bytes
    mask: bytes | None
    tallies: list[Tally]


class _Level:
    """A resolution: a row of tiles is in the making while the next one's samples arrive.

    Attributes:
        next: the resolution of half the size.
        sizes: bytes of the tiles that are done, so `mask_sizes`.
        tallies: of the bands; at full resolution.
    """

    def __init__(self, profile: CogProfile, width: int, height: int, file: IO[bytes], pool: Executor) -> None:
        self._profile, self._width, self._height, self._file, self._pool = profile, width, height, file, pool
        self._validity, self._halving = Validity(profile), HALVINGS[profile.resampling]
        self._full = (width, height) == (profile.width, profile.height)
        self._running: list[Future[_Tile]] = []
        self._arriving: _Rows | None = None
        self._filled = self._arrived = 0
        self.next: _Level | None = None
        self.sizes, self.mask_sizes = array("I"), array("I")
        self.tallies = [NOTHING] * profile.bands

    def start(self, rows: _Rows) -> None:
        """Make a row of tiles; the one before it is finished first."""
        self.finish()
        halves = self.next.room(-(-rows.samples.shape[1] // 2)) if self.next else None
        columns = range(0, self._width, self._profile.tile)
        self._running = [self._pool.submit(self._tile, rows, halves, column) for column in columns]

    def finish(self) -> None:
        """Wait for the row that is in the making, and hand its halves on."""
        if not self._running:
            return
        for made in self._running:
            tile = made.result()
            self._file.writelines(framed(tile.data))
            self.sizes.append(len(tile.data))
            if tile.mask is not None:
                self._file.writelines(framed(tile.mask))
                self.mask_sizes.append(len(tile.mask))
            if self._full:
                self.tallies = [together(one, other) for one, other in zip(self.tallies, tile.tallies, strict=True)]
        self._running = []
        if self.next:
            self.next.take()

    def room(self, rows: int) -> _Rows:
        """Where the larger resolution puts its next halves."""
        if self._arriving is None:
            count = min(self._profile.tile, self._height - self._arrived)
            samples = np.empty((self._profile.bands, count, self._width), self._profile.dtype)
            self._arriving = _Rows(samples, np.empty((count, self._width), np.uint8) if self._profile.mask else None)
            self._filled = 0
        part = slice(self._filled, self._filled + rows)
        self._filled, self._arrived = self._filled + rows, self._arrived + rows
        mask = self._arriving.mask
        return _Rows(self._arriving.samples[:, part], None if mask is None else mask[part])

    def take(self) -> None:
        """The halves have come: if they make a row of tiles, or the last one, it is started."""
        if self._arriving is not None and self._filled == self._arriving.samples.shape[1]:
            rows, self._arriving = self._arriving, None
            self.start(rows)

    def _tile(self, rows: _Rows, halves: _Rows | None, column: int) -> _Tile:
        profile, side = self._profile, self._profile.tile
        within = np.s_[..., column : column + side]
        inside = rows.samples[within]
        _, height, width = inside.shape
        samples, mask = _padded(inside, side), None if rows.mask is None else _padded(rows.mask[within], side)
        valid = self._validity.of(samples, mask)
        if halves is not None:
            corner = np.s_[..., : -(-height // 2), : -(-width // 2)]
            part = np.s_[..., column // 2 : (column + side) // 2]
            halves.samples[part] = self._halving(samples, valid, self._validity)[corner]
            if mask is not None and halves.mask is not None:
                halves.mask[part] = halved_mask(mask, profile.resampling)[corner]
        tallies = []
        if self._full:
            known = None if valid is None else valid[:, :height, :width]
            tallies = [tally(inside[band] if known is None else inside[band][known[band]]) for band in range(profile.bands)]
        return _Tile(
            encoded(samples, profile.predictor, profile.level),
            None if mask is None else encoded_mask(mask),
            tallies,
        )


def _padded(samples: Samples, side: int) -> Samples:
    """A whole tile: what is outside of the raster repeats its edge, which compresses best and changes no overview."""
    height, width = samples.shape[-2:]
    if height == side and width == side:
        return samples
    return np.pad(samples, [*[(0, 0)] * (samples.ndim - 2), (0, side - height), (0, side - width)], mode="edge")


def _checked(profile: CogProfile, strips: Iterable[Strip]) -> Iterator[_Rows]:
    """The strips as arrays, if they are what the profile says."""
    done = 0
    for strip in strips:
        rows = min(profile.tile, profile.height - done)
        if rows <= 0:
            raise ValueError(f"More strips than {profile.height} rows need.")
        if (strip.mask is not None) != profile.mask:
            raise ValueError(f"A strip {'without a' if profile.mask else 'with a'} mask, in a raster that is not.")
        samples = _array(strip.samples, profile.dtype, (profile.bands, rows, profile.width))
        yield _Rows(samples, None if strip.mask is None else _array(strip.mask, "uint8", (rows, profile.width)))
        done += rows
    if done < profile.height:
        raise ValueError(f"The strips end after {done} of {profile.height} rows.")


def _array(buffer: object, dtype: str, shape: tuple[int, ...]) -> Samples:
    found = memoryview(buffer).nbytes  # type: ignore[arg-type]
    if found != np.dtype(dtype).itemsize * int(np.prod(shape)):
        raise ValueError(f"A strip of {found} bytes, where {shape} of {dtype} were due.")
    return np.frombuffer(buffer, np.dtype(dtype).newbyteorder("<")).reshape(shape)  # type: ignore[call-overload, no-any-return]


def _join(target: Path, head: bytes, parts: Iterable[IO[bytes]]) -> tuple[str, int]:
    """Write the header and the parts behind it; return the hash of all, and the size. A file that fails is removed."""
    digest = hashlib.sha256(head)
    try:
        with target.open("wb") as file:
            file.write(head)
            for part in parts:
                part.seek(0)
                while chunk := part.read(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return digest.hexdigest(), target.stat().st_size
