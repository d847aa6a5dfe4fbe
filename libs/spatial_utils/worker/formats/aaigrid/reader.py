"""AAIGrid: a header and numbers. GDAL takes the type from the first lines; a fraction further down would lose its digits."""

import re

from libs.spatial_utils.worker.raster.reader import RasterReader

_HEAD, _CHUNK, _LONGEST = 64 * 1024, 1024 * 1024, 64
_HEADER_LINE = re.compile(rb"(?m)^\s*[A-Za-z].*$")
_FRACTION = re.compile(rb"\d\.\d|\d[eE][-+]?\d|\.\d")
_LARGE = re.compile(rb"\d{10,}")


class Reader(RasterReader):
    """See ``RasterReader``."""

    def open_options(self, name: str) -> list[str]:  # noqa: ARG002 - it has one raster
        """The type that all numbers of the grid fit, where it is another than the first of them have."""
        large = False
        with self.path.open("rb") as file:
            text = _HEADER_LINE.sub(b"", file.read(_HEAD))
            if _FRACTION.search(text):
                return []  # GDAL sees it, too
            while text:
                large = large or bool(_LARGE.search(text))
                end = text[-_LONGEST:]
                chunk = file.read(_CHUNK)
                text = end + chunk if chunk else b""
                if _FRACTION.search(text):
                    return ["DATATYPE=Float32"]
        return ["DATATYPE=Float64"] if large else []
