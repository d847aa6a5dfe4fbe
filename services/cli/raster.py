"""How a raster is shown: what it is as a whole, and its bands in a table."""

from collections.abc import Sequence

from libs.models import RasterBand, RasterSummary


def facts_of(summary: RasterSummary) -> list[tuple[str, object]]:
    """Resolution, overviews and layout, each with its title."""
    sizes = ", ".join(f"{width:,} x {height:,}" for width, height in summary.overviews)
    return [
        ("resolution", "" if summary.resolution is None else " x ".join(f"{side:.10g}" for side in summary.resolution)),
        ("values are", "of points" if summary.pixel_is_point else "of areas"),
        ("overviews", f"{sizes} ({summary.resampling})" if sizes else "none: it is small"),
        ("written as", f"COG, tiles of {summary.tile}, {summary.compression}{', with a mask' if summary.mask else ''}"),
    ]


def raster_bands(summary: RasterSummary) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    """The titles and the rows of a table of the bands."""
    return ("BAND", "TYPE", "COLOUR", "NODATA", "RANGE", "MEAN", "NAME"), [
        (str(number), band.type, band.colour, band.nodata or "", _range(band), _number(band.mean), _named(band))
        for number, band in enumerate(summary.bands, 1)
    ]


def _named(band: RasterBand) -> str:
    return " ".join(filter(None, (band.name, f"[{band.unit}]" if band.unit else "")))


def _range(band: RasterBand) -> str:
    return f"{_number(band.minimum)} … {_number(band.maximum)}" if band.valid else "no data"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.8g}"
