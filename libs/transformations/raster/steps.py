"""The steps that recipes for rasters are made of, and the command of GDAL that they come to."""

import math
import shlex
from abc import abstractmethod
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from libs.models import BBox
from libs.transformations.query import Query
from libs.transformations.steps.base import Step

Resampling = Literal["nearest", "bilinear", "cubic", "cubicspline", "lanczos", "average", "mode", "min", "max", "med"]
_GDAL_TYPES = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32",
    "uint64": "UInt64", "int64": "Int64", "float32": "Float32", "float64": "Float64",
}  # fmt: skip


class RasterStep(Step):
    """One change of a raster: what GDAL calls it, and its arguments."""

    @property
    @abstractmethod
    def gdal(self) -> tuple[str, ...]:
        """The step of ``gdal raster pipeline``: its name, then its arguments."""

    def apply(self, query: Query) -> None:
        """Refuse features.

        Raises:
            Rejected: always.
        """
        raise query.rejection("recipe_not_for_features", "The step is for rasters.", "Use an intent without this step.")


class Warp(RasterStep):
    """Reproject to a CRS, a resolution, a grid. Where there is no data afterwards, the raster says so: see ``nodata``.

    Attributes:
        crs: Of the result; left out: the source's.
        resolution: Of a pixel, in units of the CRS: one number, or x and y. Left out: the one that keeps the number of pixels.
        align: Whether the extent is put on multiples of the resolution, so that rasters of one grid fit each other.
        resampling: How a pixel gets its value. Categories take ``nearest`` or ``mode``.
        nodata: The value of pixels without data; left out: the source's. A raster without one gets transparency if it is a
            picture, NaN if it holds floats; any other is refused without it.
    """

    op: Literal["warp"] = "warp"
    crs: str | None = None
    resolution: Annotated[float, Field(gt=0)] | tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None = None
    align: bool = False
    resampling: Resampling = "nearest"
    nodata: float | Literal["nan"] | None = None

    @model_validator(mode="after")
    def _has_a_grid(self) -> Self:
        if self.align and self.resolution is None:
            raise ValueError("'align' needs a 'resolution'")
        return self

    @property
    def gdal(self) -> tuple[str, ...]:
        """See ``RasterStep``."""
        arguments = ["reproject", f"--resampling={self.resampling}"]
        if self.crs is not None:
            arguments.append(f"--dst-crs={self.crs}")
        if self.resolution is not None:
            x, y = self.resolution if isinstance(self.resolution, tuple) else (self.resolution, self.resolution)
            arguments.append(f"--resolution={_number(x)},{_number(y)}")
        if self.align:
            arguments.append("--target-aligned-pixels")
        if self.nodata is not None:
            arguments.append(f"--dst-nodata={_number(self.nodata)}")
        return tuple(arguments)


class ClipRaster(RasterStep):
    """Keep the pixels of an area; pixels stay where they are, and as they are.

    Attributes:
        bbox: xmin, ymin, xmax, ymax.
        crs: Of it; left out: the raster's.
    """

    op: Literal["clip_raster"] = "clip_raster"
    bbox: BBox
    crs: str | None = None

    @model_validator(mode="after")
    def _is_area(self) -> Self:
        xmin, ymin, xmax, ymax = self.bbox
        if not (xmin < xmax and ymin < ymax):
            raise ValueError("'bbox' is xmin, ymin, xmax, ymax, and has an area")
        return self

    @property
    def gdal(self) -> tuple[str, ...]:
        """See ``RasterStep``."""
        crs = () if self.crs is None else (f"--bbox-crs={self.crs}",)
        return ("clip", f"--bbox={','.join(map(_number, self.bbox))}", *crs)


class SelectBands(RasterStep):
    """Keep some bands, in the order that is given.

    Attributes:
        bands: Their numbers, from 1.
    """

    op: Literal["select_bands"] = "select_bands"
    bands: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]

    @property
    def gdal(self) -> tuple[str, ...]:
        """See ``RasterStep``."""
        return ("select", f"--band={','.join(map(str, self.bands))}")


class CastPixels(RasterStep):
    """Another type of pixels. Fractions are rounded for whole numbers; a value that the type has not rejects the batch.

    Attributes:
        type: The new type.
    """

    op: Literal["cast_pixels"] = "cast_pixels"
    type: Literal["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]

    @property
    def gdal(self) -> tuple[str, ...]:
        """See ``RasterStep``."""
        return ("set-type", f"--output-data-type={_GDAL_TYPES[self.type]}")


class SetNodata(RasterStep):
    """Say which value means that there is no data. No pixel is changed.

    Attributes:
        nodata: It, or ``none``: every value is data.
    """

    op: Literal["set_nodata"] = "set_nodata"
    nodata: float | Literal["nan", "none"]

    @property
    def gdal(self) -> tuple[str, ...]:
        """See ``RasterStep``."""
        return ("edit", f"--nodata={_number(self.nodata)}")


class Hillshade(RasterStep):
    """The relief of an elevation model as light and shadow, 1 to 255; 0 where there is no data.

    Attributes:
        azimuth: Where the light comes from, in degrees from north.
        altitude: Of the light, in degrees above the horizon.
        zfactor: By which heights are multiplied.
    """

    op: Literal["hillshade"] = "hillshade"
    azimuth: Annotated[float, Field(ge=0, le=360)] = 315.0
    altitude: Annotated[float, Field(ge=0, le=90)] = 45.0
    zfactor: Annotated[float, Field(gt=0)] = 1.0

    @property
    def gdal(self) -> tuple[str, ...]:
        """See ``RasterStep``."""
        light = (f"--azimuth={_number(self.azimuth)}", f"--altitude={_number(self.altitude)}")
        return ("hillshade", *light, f"--zfactor={_number(self.zfactor)}")


class Slope(RasterStep):
    """How steep an elevation model is; -9999 where there is no data.

    Attributes:
        unit: Of the result.
    """

    op: Literal["slope"] = "slope"
    unit: Literal["degree", "percent"] = "degree"

    @property
    def gdal(self) -> tuple[str, ...]:
        """See ``RasterStep``."""
        return ("slope", f"--unit={self.unit}")


def gdal_command(steps: Iterable[RasterStep], source: str = "INPUT", target: str = "OUTPUT") -> str:
    """The command line that does the same by GDAL 3.12, or a later one."""
    words = ["gdal", "raster", "pipeline", "read", source, "!"]
    for step in steps:
        words += [*step.gdal, "!"]
    return " ".join(word if word == "!" else shlex.quote(word) for word in (*words, "write", target))


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return str(int(value)) if math.isfinite(value) and float(value).is_integer() and abs(value) < 2**53 else repr(value)
