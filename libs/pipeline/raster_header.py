"""What a raster in the lake says of itself, held against its record."""

import io
import struct
from collections.abc import Iterator

from libs.models import Asset, RasterSummary
from libs.spatial_utils import tiff
from libs.storage import DataLake

_FORMATS = {1: "uint", 2: "int", 3: "float"}
"""TIFF's tag SampleFormat."""


def raster_differs(lake: DataLake, asset: Asset) -> Iterator[str]:
    """Where the record of a raster does not say what its file says: in words. The file has to be there, as recorded."""
    if not isinstance(asset.summary, RasterSummary):
        return
    summary = asset.summary
    for file in asset.data:
        head = next(lake.store.stream(file.key), b"")
        try:
            image = next(tiff.directories(io.BytesIO(head), file.bytes))
            size = (image.integer(tiff.WIDTH), image.integer(tiff.HEIGHT))
            formats = image.integers(tiff.SAMPLE_FORMAT) or (1,) * image.integer(tiff.SAMPLES, 1)
            types = [f"{_FORMATS.get(kind)}{bits}" for kind, bits in zip(formats, image.integers(tiff.BITS), strict=True)]
            nodata = image.text(tiff.GDAL_NODATA)
        except (tiff.NoTiff, struct.error, ValueError, StopIteration) as error:
            yield f"{file.name} is no GeoTIFF ({error})"
            continue
        if size != (summary.width, summary.height):
            yield f"{file.name} has {size[0]:,} x {size[1]:,} pixels"
        if types != [band.type for band in summary.bands]:
            yield f"its bands are {', '.join(types)}"
        if (nodata is None) != (summary.bands[0].nodata is None):
            yield f"its nodata value is {nodata or 'none'}"
