"""Records of tables in the layout of dBASE, which Shapefiles and MapInfo tables share; and the files beside a main file."""

import struct
from pathlib import Path

_CHUNK_RECORDS = 65_536


def deleted_records(path: Path, extension: str) -> int:
    """Records that are marked as deleted: every program passes over their features.

    Args:
        path: The main file.
        extension: Of the table beside it.
    """
    table = part(path, extension)
    if table is None:
        return 0
    with table.open("rb") as file:
        count, header, size = struct.unpack("<4xIHH", file.read(12))
        file.seek(header)
        deleted = 0
        while count > 0 and (chunk := file.read(size * min(count, _CHUNK_RECORDS))):
            deleted += chunk[::size].count(b"*")
            count -= _CHUNK_RECORDS
    return deleted


def part(path: Path, extension: str) -> Path | None:
    """The file of the same stem with this extension, in whatever case."""
    return next(
        (file for file in sorted(path.parent.iterdir()) if file.stem == path.stem and file.suffix.lower() == extension), None
    )
