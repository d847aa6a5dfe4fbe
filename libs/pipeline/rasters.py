"""From an opened raster to its Cloud Optimized GeoTIFF in scratch: written in one pass, then read back and compared."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from libs.models import FileSpec, FileType, Problem, RasterBand, RasterSummary, Rejected
from libs.models.manifest import NO_CRS
from libs.spatial_utils.cog import BandStatistics, CogProfile, CogResult, RawTag, Strip, write_cog
from libs.spatial_utils.crs import Crs, UnknownCrs
from libs.spatial_utils.reading import ReadLimits
from libs.spatial_utils.reading.rasters import Raster, RasterFile, open_rasters

NAME = "data.tif"
_END = "</GDALMetadata>"
_HISTOGRAMS = 16
"""Bands of a raster whose histograms are recorded: a record has a limit."""
_OWN_LIMITS = {"expansion": 10**9, "unpacked_mb": 10**9}
"""A file of our own may be as small as it likes."""


@dataclass(frozen=True)
class MadeRaster:
    """A raster, written and checked.

    Attributes:
        lost: Items of the source's metadata that a GeoTIFF cannot keep.
    """

    path: Path
    result: CogResult
    summary: RasterSummary
    warnings: tuple[Problem, ...]
    lost: int


def make_raster(
    source: RasterFile, raster: Raster, spec: FileSpec, where: str, folder: Path, limits: ReadLimits, threads: int
) -> MadeRaster:
    """Write a raster as it is.

    Args:
        source: The opened file. Its rasters are made in their order.
        raster: Which of them.
        spec: What the manifest says of the file.
        where: The raster, for problems.
        folder: To write to; has to be there.
        limits: Of the reading process that reads the result back.
        threads: That compress tiles.

    Raises:
        Rejected: when it cannot be read to its end, or the file would not say what the source says.
    """
    path, tags = folder / NAME, raster.tags
    categorical = spec.categorical or any(band["palette"] or band["categories"] for band in raster.bands)
    profile = CogProfile(
        width=raster.width, height=raster.height, dtype=raster.dtype, bands=len(raster.bands),
        geo_tags=tuple(RawTag(*tag) for tag in tags.geo), nodata=tags.nodata, photometric=tags.photometric,
        extra_samples=tags.extra, colormap=tags.palette or None,
        gdal_metadata=lambda found: _with_statistics(tags.metadata, found, raster.width * raster.height),
        resampling="mode" if categorical else "average", mask=raster.facts["mask"], tile=raster.tile,
    )  # fmt: skip
    result = write_cog(path, profile, _strips(source, raster), threads)
    warnings, lost = _compared(raster, path, where, limits)
    summary = _summary(raster, profile, result)
    return MadeRaster(path, result, summary, warnings, lost)


def _strips(source: RasterFile, raster: Raster) -> Iterator[Strip]:
    has_mask = raster.facts["mask"]
    # the strips come first: what reads them has more to do behind the last
    for strip, (rows, size) in zip(source.strips(raster), raster.strip_sizes, strict=True):
        view = memoryview(strip)
        pixels = size - rows * raster.width if has_mask else size
        yield Strip(view[:pixels], view[pixels:] if has_mask else None)


def _with_statistics(metadata: str | None, found: Sequence[BandStatistics], pixels: int) -> str:
    """GDAL's XML with the statistics of each band, so that viewers need not compute them."""
    items = []
    for sample, band in enumerate(found):
        if not band.valid:
            continue
        values = {
            "STATISTICS_MAXIMUM": band.maximum, "STATISTICS_MEAN": band.mean, "STATISTICS_MINIMUM": band.minimum,
            "STATISTICS_STDDEV": band.deviation, "STATISTICS_VALID_PERCENT": float(f"{100 * band.valid / pixels:.4g}"),
        }  # fmt: skip
        items += [f'  <Item name={quoteattr(name)} sample="{sample}">{value!r}</Item>\n' for name, value in values.items()]
    before = metadata.rpartition(_END)[0] if metadata and _END in metadata else "<GDALMetadata>\n"
    return f"{before}{''.join(items)}{_END}\n"


def _summary(raster: Raster, profile: CogProfile, result: CogResult) -> RasterSummary:
    transform = raster.facts["transform"]
    resolution = None
    if transform is not None:
        resolution = (math.hypot(transform[1], transform[4]), math.hypot(transform[2], transform[5]))
    keeps_histograms = len(raster.bands) <= _HISTOGRAMS
    bands = [
        _band(band, found, keeps_histogram=keeps_histograms) for band, found in zip(raster.bands, result.statistics, strict=True)
    ]
    return RasterSummary(
        width=raster.width, height=raster.height, crs=raster.crs.name if raster.crs else None, bbox=raster.bbox,
        transform=transform, resolution=resolution, pixel_is_point=raster.facts["point"], bands=tuple(bands),
        mask=raster.facts["mask"], overviews=result.overviews, resampling=profile.resampling, tile=profile.tile,
    )  # fmt: skip


def _band(band: dict[str, Any], found: BandStatistics, *, keeps_histogram: bool) -> RasterBand:
    scale, offset = band["scaling"] or (None, None)
    known: dict[str, Any] = {}
    if found.valid:
        known = {name: float(getattr(found, name)) for name in ("minimum", "maximum", "mean", "deviation")}
        if keeps_histogram:
            known |= {"histogram": found.histogram, "start": float(found.start), "step": float(found.step)}
    return RasterBand(
        type=band["dtype"], name=band["name"], colour=band["colour"], nodata=band["nodata"], unit=band["unit"], scale=scale,
        offset=offset, valid=found.valid, categories=tuple(band["categories"]), **known,
    )  # fmt: skip


def _compared(raster: Raster, path: Path, where: str, limits: ReadLimits) -> tuple[tuple[Problem, ...], int]:
    """Read the file back, and hold it against the source. What a GeoTIFF cannot keep is counted.

    Raises:
        Rejected: ``raster_not_kept``, for all that changes what the pixels mean or where they lie.
    """
    spec = FileSpec(path="s3://scratch/data.tif", type=FileType.RASTER, format="GeoTIFF", crs=None if raster.crs else NO_CRS)
    with open_rasters(path, spec, where, replace(limits, **_OWN_LIMITS)) as written:
        made = written.rasters[0]
    differs = [*_differences(raster, made)]
    if differs:
        raise Rejected.because(
            "raster_not_kept", where, f"A GeoTIFF would not say the same as the source: {'; '.join(differs)}.",
            "Write the raster as GeoTIFF with a program that you trust, and submit that file.",
        )  # fmt: skip
    lost = [*_lost(raster.facts, made.facts)]
    if not lost:
        return (), 0
    return (
        Problem(
            code="raster_metadata_not_kept", where=where,
            message=f"The GeoTIFF does not have all metadata of the source. Left out: {', '.join(what for what, _ in lost)}.",
            remedy='Keep the raw file if you need them: write "raw": "keep" in the manifest.',
        ),
    ), sum(count for _, count in lost)  # fmt: skip


def _differences(raster: Raster, made: Raster) -> Iterator[str]:
    then, now = raster.facts, made.facts
    for name in ("width", "height", "mask", "point", "gcps"):
        if then[name] != now[name] and not (name == "point" and then["transform"] is None and not then["gcps"]):
            yield f"{name} is {now[name]}, was {then[name]}"
    if not _same_transform(then["transform"], now["transform"], max(then["width"], then["height"])):
        yield f"the transform is {now['transform']}, was {then['transform']}"
    if not _same_crs(raster.crs, made.crs):
        yield f"the CRS is {made.crs}, was {raster.crs}"
    if len(then["bands"]) != len(now["bands"]):
        yield f"it has {len(now['bands'])} bands, had {len(then['bands'])}"
        return
    for number, (before, after) in enumerate(zip(then["bands"], now["bands"], strict=True), 1):
        for name in ("dtype", "nodata", "name", "scaling", "unit", "colour"):
            told = before[name] not in {"undefined", "palette"} if name == "colour" else True
            if told and before[name] != after[name]:
                yield f"{name} of band {number} is {after[name]!r}, was {before[name]!r}"


def _same_transform(one: list[float] | None, other: list[float] | None, pixels: int) -> bool:
    """Whether no pixel moves by more than a millionth of one: tags hold the origin, and a point's is half a pixel further."""
    if one is None or other is None:
        return one is other
    size = max(abs(value) for value in (one[1], one[2], one[4], one[5]))
    moves = [abs(one[index] - other[index]) * (1 if index in {0, 3} else pixels) for index in range(6)]
    return max(moves) <= 1e-6 * size


def _same_crs(one: Crs | None, other: Crs | None) -> bool:
    try:
        return one is other if one is None or other is None else one.same(other)
    except UnknownCrs:
        return False


def _lost(then: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """What the file does not have of the source's metadata: in words, and how many items."""
    pairs = [
        ("", then, now),
        *((f" of band {number}", *both) for number, both in enumerate(zip(then["bands"], now["bands"], strict=True), 1)),
    ]
    for place, before, after in pairs:
        for domain, items in before["metadata"].items():
            if missing := [item for item in items if item not in after["metadata"].get(domain, [])]:
                names = ", ".join(item.split("=", 1)[0][:40] for item in missing[:5])
                yield f"{names} ({domain or 'metadata'}{place})", len(missing)
        if place and before["categories"] and not after["categories"]:
            yield f"names of categories{place} (they stand in the record of the version)", len(before["categories"])
        if place and before["attributes"] and before["attributes"] != after["attributes"]:
            yield f"the attribute table{place}", before["attributes"][1]
        if place and before["palette"] and not _same_palette(before["palette"], after["palette"]):
            yield f"colours of the palette{place}", len(before["palette"])
    if missing := [item for item in then["rpc"] if item not in now["rpc"]]:
        yield "coefficients of the camera model (RPC)", len(missing)


def _same_palette(then: list[list[int]], now: list[list[int]] | None) -> bool:
    """Whether the colours are the same. TIFF has no transparency in a palette; the nodata value is transparent by itself."""
    return now is not None and [entry[:3] for entry in then] == [entry[:3] for entry in now[: len(then)]]
