"""Opening an untrusted raster: what is known of it, and its pixels strip by strip. The counterpart of ``open_source``."""

import base64
import math
import shutil
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.models import BBox, FileSpec, Problem, Rejected, says_no_crs
from libs.spatial_utils.archive import ArchiveLimits
from libs.spatial_utils.crs import Crs, require_crs
from libs.spatial_utils.formats import Format, find_format
from libs.spatial_utils.pixels import SIZES
from libs.spatial_utils.reading import reader
from libs.spatial_utils.reading.launcher import Child, TimeLimitExceeded
from libs.spatial_utils.reading.layers import CrsSource, agreed_crs
from libs.spatial_utils.reading.locate import Located, locate
from libs.spatial_utils.reading.messages import ReadLimits, died, problem_of, receive, receive_header, too_slow

FREE_BYTES = 2 * 1024 * 1024 * 1024
"""Pixels that come to no more than this may be any number of times as large as their file: empty regions compress to nothing."""
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Tags:
    """What a GeoTIFF says beside the pixels; see ``worker.raster.template``.

    Attributes:
        geo: Tags as they are: code, type, count, values (little-endian).
        metadata: GDAL's XML.
        palette: All reds, greens and blues, 0 to 65535; empty without a palette.
    """

    geo: tuple[tuple[int, int, int, bytes], ...]
    nodata: str | None
    metadata: str | None
    photometric: int
    extra: tuple[int, ...]
    palette: tuple[int, ...]


@dataclass(frozen=True)
class Raster:
    """A raster of a file.

    Attributes:
        name: The file's name without its extension; in an archive with its folder if names repeat.
        facts: Everything of it but its pixels; see ``worker.raster.description``.
        crs: None for local coordinates.
        tile: Rows of a strip; the last has the rest.
    """

    name: str
    dtype: str
    facts: dict[str, Any]
    tags: Tags
    crs: Crs | None
    crs_source: CrsSource
    tile: int

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return int(self.facts["width"])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.facts["height"])

    @property
    def bands(self) -> list[dict[str, Any]]:
        """What is known of each band."""
        return list(self.facts["bands"])

    @property
    def strip_sizes(self) -> Iterator[tuple[int, int]]:
        """Rows and bytes of each strip, with its mask."""
        row = self.width * (SIZES[self.dtype] * len(self.bands) + bool(self.facts["mask"]))
        for top in range(0, self.height, self.tile):
            rows = min(self.tile, self.height - top)
            yield rows, rows * row

    @property
    def bbox(self) -> BBox | None:
        """Its extent in the units of its CRS; None where it is not known without warping (ground control points)."""
        transform = self.facts["transform"]
        if transform is None:
            return None
        x0, dx, rx, y0, ry, dy = transform
        corners = [(x0 + dx * i + rx * j, y0 + ry * i + dy * j) for i in (0, self.width) for j in (0, self.height)]
        xs, ys = zip(*corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)


@dataclass
class RasterFile:
    """An opened file.

    Attributes:
        rasters: Those that are wanted.
        warnings: What the uploader should know; grows while pixels are read.
    """

    rasters: tuple[Raster, ...]
    warnings: list[Problem]
    _child: Child
    _where: str
    _limits: ReadLimits

    def strips(self, raster: Raster) -> Iterator[bytearray]:
        """The pixels, once, raster by raster in order: of each strip band after band, row after row; then its mask.

        Raises:
            Rejected: when the rest cannot be read; nothing read so far may be used then.
        """
        try:
            for _, size in raster.strip_sizes:
                yield self._strip(size)
            self._end()
        except TimeLimitExceeded as error:
            raise too_slow(self._where, self._limits) from error
        except (EOFError, OSError, ValueError, struct.error) as error:
            raise died(self._child, self._where, self._limits) from error

    def _strip(self, size: int) -> bytearray:
        length = self._length()
        if length == 0:  # the trailer says why
            self._trailer()
        if length != size:
            raise ValueError("a strip has another size than its raster")
        strip = bytearray(size)
        view = memoryview(strip)
        while view:
            got = self._child.pipe.readinto(view)
            if not got:
                raise EOFError
            view = view[got:]
        return strip

    def _end(self) -> None:
        if self._length():
            raise ValueError("more strips than the raster has")
        self._trailer()

    def _length(self) -> int:
        return int(_LENGTH.unpack(self._child.pipe.read(_LENGTH.size))[0])

    def _trailer(self) -> None:
        trailer = receive(self._child)
        self.warnings += [problem_of(warning, self._where) for warning in trailer["warnings"]]
        if trailer["problem"] is not None:
            raise Rejected([problem_of(trailer["problem"], self._where)])


@contextmanager
def open_rasters(
    path: Path, spec: FileSpec, where: str, limits: ReadLimits, steps: Sequence[Sequence[str]] = ()
) -> Iterator[RasterFile]:
    """Open a raster file in a process of its own; see :func:`~libs.spatial_utils.reading.open_source`.

    Args:
        path: See there.
        spec: See there.
        where: See there.
        limits: See there.
        steps: Of ``gdal raster pipeline``, each its name and its arguments: the rasters are what they make.

    Raises:
        Rejected: when it is not what the manifest says, cannot be read or kept as it is, or has no CRS that is known and agreed.
    """
    kind = find_format(spec.format, f"{where}.format", raster=True)
    unpacked = reader.beside(path, ".unpacked")
    try:
        limit = ArchiveLimits(limits.unpacked_mb * 1024 * 1024, ratio=limits.expansion)
        located = locate(path, unpacked, kind, where, limit, tabular=False)
        child = reader.child_of(_request(located, kind, spec, where, limits, steps), limits)
        try:
            yield _opened(child, spec, where, limits, [*located.warnings, *_ignored(spec, where)])
        finally:
            child.close()
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _ignored(spec: FileSpec, where: str) -> Iterator[Problem]:
    """Warnings of what a manifest says of a file that a raster has not."""
    used = {"path", "type", "format", "crs", "replace_crs", "layer", "dataset_id", "sha256", "categorical", "on_change"}
    if idle := sorted(spec.model_dump(exclude_defaults=True, exclude_none=True).keys() - used):
        yield Problem(
            code="options_ignored", where=where, message=f"Not used, since a raster has no features: {', '.join(idle)}.",
            remedy="Leave it out.",
        )  # fmt: skip


def _request(
    located: Located, kind: Format, spec: FileSpec, where: str, limits: ReadLimits, steps: Sequence[Sequence[str]]
) -> dict[str, Any]:
    declared = None
    if spec.crs is not None:
        declared = "" if says_no_crs(spec.crs) else require_crs(spec.crs, f"{where}.crs").wkt
    size = sum(path.stat().st_size for path in located.folder.rglob("*") if path.is_file())
    most, setting = min(
        (max(FREE_BYTES, size * limits.expansion), "SPATIAL_ETL_MAX_EXPANSION"),
        (max(limits.unpacked_mb * 1024 * 1024, 10 * size), "SPATIAL_ETL_MAX_UNPACKED_MB"),
    )
    return {
        "sources": [(str(path), prefix) for path, prefix in located.sources],
        "folder": str(located.folder), "reader": kind.reader, "may_infer": False, "driver": kind.driver,
        "register": kind.register, "options": [], "layer": spec.layer, "encoding": None, "tabular": False, "csv": {},
        "memory_mb": limits.memory_mb, "cpu_seconds": limits.seconds, "full_scan": True, "written_bytes": 0,
        "raster": {
            "declared": declared, "replace_crs": bool(spec.replace_crs), "most": most, "setting": setting,
            "categorical": bool(spec.categorical), "steps": [[*step] for step in steps],
        },
    }  # fmt: skip


def _opened(child: Child, spec: FileSpec, where: str, limits: ReadLimits, warnings: list[Problem]) -> RasterFile:
    header = receive_header(child, where, limits, warnings)
    if not header["rasters"]:
        there = ", ".join(map(repr, header["names"])) or "none"
        raise Rejected.because(
            "unknown_layer", f"{where}.layer", f"There is no raster {spec.layer!r}. Rasters in the file: {there}.",
            "Use one of these names, or leave 'layer' out.",
        )  # fmt: skip
    rasters, problems = [], list[Problem]()
    for said in header["rasters"]:
        try:
            rasters.append(_raster(said, spec, where, warnings))
        except Rejected as rejected:
            problems += rejected.problems
    if problems:
        raise Rejected(problems)
    return RasterFile(tuple(rasters), warnings, child, where, limits)


def _is_plane(transform: list[float]) -> bool:
    """Whether pixels have an area."""
    _, dx, rx, _, ry, dy = transform
    return all(map(math.isfinite, transform)) and dx * dy != rx * ry


def _raster(said: dict[str, Any], spec: FileSpec, where: str, warnings: list[Problem]) -> Raster:
    facts, place = said["facts"], f"{where}: raster {said['name']}"
    transform = facts["transform"]
    if transform is not None and not _is_plane(transform):
        raise Rejected.because(
            "raster_not_placed", place, f"What the file says of its place gives the pixels no area: {transform}.",
            "Correct its world file or its georeference.",
        )  # fmt: skip
    if transform is None and not facts["gcps"] and not facts["rpc"] and not says_no_crs(spec.crs):
        raise Rejected.because(
            "raster_not_placed", place, "Nothing says where the raster lies: neither the file nor a world file.",
            'Upload its world file (.tfw, .pgw, .jgw, .wld) beside it; or write "crs": "none" for this file, if it '
            "has no place.",
        )  # fmt: skip
    crs, source = agreed_crs(said["source_crs"], said["name"], spec, where, warnings)
    if facts["crs"] != said["source_crs"] and crs is not None:  # a step has changed it
        crs, _ = agreed_crs(facts["crs"], said["name"], spec.model_copy(update={"crs": None}), where, [])
    tags = said["tags"]["manifest" if source == "manifest" else "file"]
    return Raster(
        said["name"], said["dtype"], facts,
        Tags(
            tuple((code, kind, count, base64.b64decode(data)) for code, kind, count, data in tags["geo"]), tags["nodata"],
            tags["metadata"], tags["photometric"], tuple(tags["extra"]), tuple(tags["palette"]),
        ),
        crs, source, said["tile"],
    )  # fmt: skip
