"""XYZ: a pixel a line. GDAL makes float32 of fractions: a value with more digits would lose some of them without a word."""

import re
import struct

from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.raster.reader import RasterReader

_CHUNK = 1024 * 1024
_LONG = re.compile(rb"(?m)^[ \t]*[^\s,;]+[ \t,;]+[^\s,;]+[ \t,;]+([-+.\d]{9,}(?:[eE][-+]?\d+)?)[ \t]*\r?$")
"""A third column whose digits may be more than float32 has."""
_EXPONENT, _NOT_DIGITS = re.compile(rb"[eE].*"), re.compile(rb"\D")


class Reader(RasterReader):
    """See ``RasterReader``."""

    def check_before(self) -> None:
        """Refuse values that would lose digits."""
        with self.path.open("rb") as file:
            rest = b""
            while chunk := file.read(_CHUNK):
                text, _, rest = (rest + chunk).rpartition(b"\n")
                for found in _LONG.finditer(text):
                    self._check(found[1])
            for found in _LONG.finditer(rest):
                self._check(found[1])

    def _check(self, written: bytes) -> None:
        try:
            value = float(written)
            (kept,) = struct.unpack("<f", struct.pack("<f", value))
        except (ValueError, OverflowError):
            return  # GDAL says what is wrong with it
        digits = len(_NOT_DIGITS.sub(b"", _EXPONENT.sub(b"", written)).strip(b"0")) or 1
        if float(f"{kept:.{digits}g}") != value:
            raise Unreadable(
                "value_lost",
                f"{self.path.name!r} has the value {written.decode()}: GDAL's XYZ reader keeps about seven digits of it.",
                "Write the grid as GeoTIFF in float64 with the program that made it, or round its values.",
            )
