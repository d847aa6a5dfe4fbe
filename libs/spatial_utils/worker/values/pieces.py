"""A file piece by piece, for those who look for something in it."""

from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 8 * 1024 * 1024


def pieces(path: Path, overlap: int) -> Iterator[bytes]:
    """The file, each piece with the last bytes of the one before, so that nothing is cut that is no longer."""
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield tail + chunk
            tail = chunk[-overlap:]


def pieces_of_lines(path: Path) -> Iterator[bytes]:
    """The file in pieces that end where a line does."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk + file.readline()
