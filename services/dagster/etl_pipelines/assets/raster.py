"""What Dagster shows of a raster: its size, and its bands in a table."""

import dagster as dg

from libs.models import RasterSummary
from services.dagster.etl_pipelines.markdown import inert

_SHOWN = 50
"""Bands that are listed."""


def raster_metadata(summary: RasterSummary) -> dict[str, dg.MetadataValue]:
    """The facts of a raster, as metadata of its materialization."""
    rows = [
        f"| {number} | {band.type} | {inert(band.colour)} | {inert(band.nodata or '')} | {_number(band.minimum)} | "
        f"{_number(band.maximum)} | {_number(band.mean)} | {inert(band.name)} |"
        for number, band in enumerate(summary.bands[:_SHOWN], 1)
    ]
    head = ["| band | type | colour | nodata | min | max | mean | name |", "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    resolution = "none" if summary.resolution is None else " x ".join(f"{side:.10g}" for side in summary.resolution)
    overviews = ", ".join(f"{width:,} x {height:,}" for width, height in summary.overviews) or "none"
    return {
        "pixels": dg.MetadataValue.text(f"{summary.width:,} x {summary.height:,}"),
        "resolution": dg.MetadataValue.text(resolution),
        "overviews": dg.MetadataValue.text(f"{overviews} ({summary.resampling})"),
        "bands": dg.MetadataValue.md("\n".join([*head, *rows])),
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.8g}"
