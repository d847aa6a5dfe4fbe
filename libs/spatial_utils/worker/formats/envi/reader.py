"""ENVI: pixels that are missing at the end of a file are zeros for GDAL, without a word."""

import re

from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.raster.reader import RasterReader

_HEADER_BYTES = 1024 * 1024
_NUMBER = re.compile(rb"(?im)^\s*(samples|lines|bands|data type|header offset|file compression)\s*=\s*(\d+)\s*$")
_TYPES = {1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 6: 8, 9: 16, 12: 2, 13: 4, 14: 8, 15: 8}
"""Bytes of a value, by ENVI's number of the type."""


class Reader(RasterReader):
    """See ``RasterReader``."""

    def check_before(self) -> None:
        """Refuse a file that is shorter than its header says."""
        headers = (path for path in self.path.parent.iterdir() if path.stem == self.path.stem and path.suffix.lower() == ".hdr")
        with next(headers).open("rb") as file:
            said = {name.lower(): int(value) for name, value in _NUMBER.findall(file.read(_HEADER_BYTES))}
        pixels = said.get(b"samples", 0) * said.get(b"lines", 0) * said.get(b"bands", 1)
        needed = said.get(b"header offset", 0) + pixels * _TYPES.get(said.get(b"data type", 1), 1)
        found = self.path.stat().st_size
        if found < needed and not said.get(b"file compression"):
            raise Unreadable(
                "truncated", f"{self.path.name!r} has {found:,} bytes; by its header, it should have {needed:,}.",
                "Upload the whole file, or the header that belongs to it.",
            )  # fmt: skip
