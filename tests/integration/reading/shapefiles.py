"""Shapefiles written byte by byte: as odd as a test wants them."""

import struct
from collections.abc import Sequence
from pathlib import Path

Ring = Sequence[tuple[float, float]]
Field = tuple[str, int, int]
"""Type (``C``, ``N``, ``F``, ``D``, ``L`` and others), width and decimals; text may be wider than 255 as FoxPro has it."""
POINT, LINE, POLYGON = 1, 3, 5
NULL_SHAPE = struct.pack("<i", 0)


def point(x: float, y: float) -> bytes:
    """The content of a record with a point."""
    return struct.pack("<idd", POINT, x, y)


def parts(kind: int, *rings: Ring) -> bytes:
    """The content of a record with a line or a polygon."""
    positions = [position for ring in rings for position in ring]
    xs, ys = [x for x, _ in positions], [y for _, y in positions]
    begins = [sum(len(ring) for ring in rings[:number]) for number in range(len(rings))]
    head = struct.pack("<i4dii", kind, min(xs), min(ys), max(xs), max(ys), len(rings), len(positions))
    return b"".join([head, *(struct.pack("<i", begin) for begin in begins), *(struct.pack("<dd", *each) for each in positions)])


def multipatch(*patches: tuple[int, Sequence[tuple[float, float, float]]]) -> bytes:
    """The content of a record of triangle strips (0), fans (1), outer (2), inner (3), first (4) and other rings (5)."""
    xs, ys, zs = zip(*(position for _, part in patches for position in part), strict=True)
    begins = [sum(len(part) for _, part in patches[:number]) for number in range(len(patches))]
    head = struct.pack("<i4dii", 31, min(xs), min(ys), max(xs), max(ys), len(patches), len(xs))
    numbers = struct.pack(f"<{2 * len(patches)}i", *begins, *(kind for kind, _ in patches))
    plane = b"".join(struct.pack("<dd", *each) for each in zip(xs, ys, strict=True))
    return head + numbers + plane + struct.pack(f"<{2 + len(zs)}d", min(zs), max(zs), *zs)


def write_shapes(path: Path, kind: int, contents: Sequence[bytes], *, gap: int = 0) -> None:
    """The ``.shp`` and its ``.shx``.

    Args:
        path: With any suffix.
        kind: The file's type.
        contents: Of the records.
        gap: Words between two records.
    """
    records, entries, place = [], [], 50
    for number, content in enumerate(contents):
        records.append(struct.pack(">ii", number + 1, len(content) // 2) + content + bytes(gap * 2))
        entries.append(struct.pack(">ii", place, len(content) // 2))
        place += len(records[-1]) // 2
    for suffix, body in ((".shp", b"".join(records)), (".shx", b"".join(entries))):
        header = struct.pack(">i20xi", 9994, 50 + len(body) // 2) + struct.pack("<ii8d", 1000, kind, *[0.0] * 8)
        path.with_suffix(suffix).write_bytes(header + body)


def write_table(path: Path, fields: Sequence[Field], rows: Sequence[Sequence[bytes]], *, deleted: Sequence[int] = ()) -> None:
    """The ``.dbf``, fields called ``f0``, ``f1`` and so on.

    Args:
        path: With any suffix.
        fields: Of every record.
        rows: Cells as they are spelled, to be filled up with blanks: text behind it, all else in front of it.
        deleted: Numbers of records that are marked so.
    """
    size = 1 + sum(width for _, width, _ in fields)
    content = bytearray(struct.pack("<BBBBIHH20x", 3, 124, 1, 1, len(rows), 33 + 32 * len(fields), size))
    for number, (kind, width, decimals) in enumerate(fields):
        content += struct.pack("<11sc4xBB14x", f"f{number}".encode(), kind.encode(), width & 255, decimals | width >> 8)
    content += b"\r"
    for number, row in enumerate(rows):
        content += b"*" if number in deleted else b" "
        for (kind, width, _), cell in zip(fields, row, strict=True):
            content += cell.ljust(width) if kind == "C" else cell.rjust(width)
    path.with_suffix(".dbf").write_bytes(content + b"\x1a")
    path.with_suffix(".cpg").write_text("UTF-8")
