"""What GDAL does not tell of MapInfo files: whether a ``.mif`` has a shape for every record of its ``.mid``."""

from pathlib import Path

from libs.spatial_utils.child.source import Unreadable

DRIVER = "MapInfo File"


def check_count(path: Path, shapes: int) -> None:
    """Compare the number of shapes that were read with the number of records.

    A record takes a line, or several where a text in quotes has line breaks. A blank line is a record without values or a stray
    end of line, so either number is right.

    Raises:
        Unreadable: ``count_mismatch``.
    """
    if path.suffix.lower() != ".mif":
        return
    table = next((file for file in path.parent.iterdir() if file.stem == path.stem and file.suffix.lower() == ".mid"), None)
    if table is None:
        return
    filled, blank, quoted = 0, 0, False
    with table.open("rb") as lines:
        for line in lines:
            began_quoted, quoted = quoted, quoted ^ (line.count(b'"') % 2 == 1)
            if began_quoted:
                continue
            if line.strip(b"\r\n"):
                filled += 1
            else:
                blank += 1
    if not filled <= shapes <= filled + blank:
        raise Unreadable(
            "count_mismatch",
            f"{path.name} has {shapes:,} shapes, but {table.name} has {filled + blank:,} records.",
            "The files are truncated or do not belong together: upload both again.",
        )
