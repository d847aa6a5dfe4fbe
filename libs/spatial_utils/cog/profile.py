"""What a Cloud Optimized GeoTIFF is made of: the raster's profile, its strips, and what is known of it when it is written."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

Resampling: TypeAlias = Literal["average", "mode", "nearest"]
Samples: TypeAlias = NDArray[Any]

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
RESAMPLINGS = ("average", "mode", "nearest")
MIN_IS_BLACK, RGB, PALETTE = 1, 2, 3  # photometric interpretations, TIFF 6.0, tag 262
ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA = 1, 2  # extra samples, TIFF 6.0, tag 338


@dataclass(frozen=True, slots=True)
class RawTag:
    """A TIFF tag of the first image, written as it is.

    Attributes:
        code: the tag's number, for instance 34735 (GeoKeyDirectory).
        type: the TIFF type's number: 2 ASCII, 3 SHORT, 4 LONG, 12 DOUBLE and so on.
        count: how many values of that type.
        data: the values, little-endian.
    """

    code: int
    type: int
    count: int
    data: bytes


@dataclass(frozen=True, slots=True)
class BandStatistics:
    """Of one band's valid, finite pixels at full resolution.

    Attributes:
        valid: how many they are. With none, everything else is NaN and the histogram is empty.
        minimum: the smallest value (so `maximum`, the largest one); a whole number's is an `int`, exact for 64 bits, too.
        mean: the mean; so `deviation`, the standard deviation of the population (as GDAL's).
        histogram: counts, at most 256 of them; every valid pixel is in one.
        start: the lower bound of the first bin.
        step: the width of a bin: a power of two. With 1, and whole numbers, a bin is a value.
    """

    valid: int
    minimum: float
    maximum: float
    mean: float
    deviation: float
    histogram: tuple[int, ...]
    start: float
    step: float


@dataclass(frozen=True, slots=True)
class Strip:
    """`CogProfile.tile` rows of the raster, over its full width; the last strip has the rest.

    The writer keeps a strip while the next one is made: an iterator gives each one buffers of its own.

    Attributes:
        samples: band after band, in each row after row: shape (bands, rows, width) of the profile's type, little-endian.
        mask: (rows, width) of one byte, 0 where there is no data; with `CogProfile.mask` only.
    """

    samples: "bytes | bytearray | memoryview | Samples"
    mask: "bytes | bytearray | memoryview | Samples | None" = None


@dataclass(frozen=True, slots=True)
class CogProfile:
    """The raster that the strips make, and how its file is to be.

    Attributes:
        width: pixels in a row.
        height: rows.
        dtype: one of `DTYPES`.
        bands: how many. They are interleaved by pixel in the file.
        geo_tags: tags of the first image, as they are: GeoKeys, pixel scale, tie points, transformation; others, if wanted.
        nodata: as GDAL writes it into its tag 42113: "-9999", "nan".
        photometric: 1 grey or anything else, 2 RGB, 3 palette.
        extra_samples: of the bands that are more than the photometric interpretation has: 0 unspecified, 1 alpha that colours
            have been multiplied with, 2 alpha.
        colormap: of a palette: all reds, all greens, all blues; 0 to 65535.
        gdal_metadata: GDAL's XML of tag 42112; or what makes it of the bands' statistics, once they are known.
        resampling: of the overviews: `average` for images and measured values, `mode` for categories, `nearest`.
        mask: whether strips carry a mask. It becomes an internal mask of one bit.
        tile: pixels on a tile's side, a multiple of 16; also the rows of a strip. See `tile_for`.
        level: of libdeflate: 1 to 12.

    Raises:
        ValueError: for what no such file can be made of; complex numbers, for one.
    """

    width: int
    height: int
    dtype: str
    bands: int = 1
    geo_tags: Sequence[RawTag] = ()
    nodata: str | None = None
    photometric: int = MIN_IS_BLACK
    extra_samples: Sequence[int] = ()
    colormap: Sequence[int] | None = None
    gdal_metadata: str | Callable[[Sequence[BandStatistics]], str] | None = None
    resampling: Resampling = "average"
    mask: bool = False
    tile: int = 512
    level: int = 1

    def __post_init__(self) -> None:
        colours = 3 if self.photometric == RGB else 1
        if self.dtype not in DTYPES:
            raise ValueError(f"A GeoTIFF of type {self.dtype} can't be written: only {', '.join(DTYPES)}.")
        if self.resampling not in RESAMPLINGS:
            raise ValueError(f"{self.resampling} is not a resampling of overviews: only {', '.join(RESAMPLINGS)}.")
        if min(self.width, self.height, self.bands) < 1 or self.tile < 16 or self.tile % 16:  # noqa: PLR2004 -- TIFF 6.0, tag 322
            raise ValueError("A raster has at least one pixel and one band, and tiles whose sides are multiples of 16.")
        if len(self.extra_samples) != self.bands - colours:
            raise ValueError(
                f"{self.bands} bands, {colours} of them colours: {len(self.extra_samples)} extra samples do not fit."
            )
        if (self.photometric == PALETTE) != (self.colormap is not None):
            raise ValueError("A palette has a colour map, and only a palette has one.")
        if not 1 <= self.level <= 12:  # noqa: PLR2004 -- see `level`
            raise ValueError("The level of compression is 1 to 12.")

    @property
    def predictor(self) -> int:
        """What is compressed (TIFF tag 317): values (1), differences of neighbours (2), the same of floats' bytes (3)."""
        if self.resampling == "mode":
            return 1  # categories: neighbours are equal, or their difference means nothing
        return 3 if self.dtype.startswith("float") else 2

    @property
    def overviews(self) -> tuple[tuple[int, int], ...]:
        """Width and height of each overview, largest first: halves, rounded up, until one tile holds everything."""
        sizes, width, height = [], self.width, self.height
        while max(width, height) > self.tile:
            width, height = math.ceil(width / 2), math.ceil(height / 2)
            sizes.append((width, height))
        return tuple(sizes)


@dataclass(frozen=True, slots=True)
class CogResult:
    """What has been written.

    Attributes:
        sha256: of the whole file, hexadecimal.
        bytes: the file's size.
        bigtiff: whether it is a BigTIFF, because offsets of 32 bits do not reach its end.
        overviews: width and height of each, largest first.
        statistics: of each band.
    """

    sha256: str
    bytes: int
    bigtiff: bool
    overviews: tuple[tuple[int, int], ...]
    statistics: tuple[BandStatistics, ...]
