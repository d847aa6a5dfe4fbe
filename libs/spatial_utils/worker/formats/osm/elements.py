"""How many elements a file of OpenStreetMap has, counted apart from GDAL, which passes over some without a word."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from libs.spatial_utils.worker.formats.protobuf import fields
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.values.xml_text import XmlScan

_MAX_HEADER, _MAX_BLOB = 64 * 1024, 32 * 1024 * 1024
"""Bytes of a block's header, and of its content once it is unpacked: the format's own limits."""
_MORE = 0x80
"""Set in each byte of a number but the last."""


@dataclass
class Elements:
    """Numbers of elements: of the nodes and ways, those with tags; of the relations all."""

    nodes: int = 0
    ways: int = 0
    relations: int = 0


def elements_of(path: Path) -> Elements:
    """Count the elements of a file, PBF or XML.

    Raises:
        Unreadable: ``damaged`` or ``unreadable``, where it is not what the format demands, or needs what is not read here.
    """
    with path.open("rb") as file:
        is_pbf = b"OSMHeader" in file.read(32)
    return _elements_of_pbf(path) if is_pbf else _elements_of_xml(path)


class _XmlElements(XmlScan):
    """Counts the elements of an OSM XML."""

    def __init__(self) -> None:
        super().__init__()
        self.found = Elements()
        self._has_tags = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._has_tags |= name == "tag"
        if attributes.get("visible") == "false":
            raise _history()

    def end(self, name: str) -> None:
        if name == "relation":
            self.found.relations += 1
        elif name == "node":
            self.found.nodes += self._has_tags
        elif name == "way":
            self.found.ways += self._has_tags
        if name in {"node", "way", "relation"}:
            self._has_tags = False


def _elements_of_xml(path: Path) -> Elements:
    scan = _XmlElements()
    scan.scan(path)
    if scan.error is not None:
        raise _damaged(path, f"its XML is wrong: {scan.error}")
    return scan.found


def _elements_of_pbf(path: Path) -> Elements:
    found = Elements()
    try:
        for kind, block in _blocks(path):
            if kind == b"OSMHeader":
                _check_features([value for number, value in fields(block) if number == 4 and isinstance(value, bytes)])  # noqa: PLR2004
            elif kind == b"OSMData":
                for number, group in fields(block):
                    if number == 2 and isinstance(group, bytes):  # noqa: PLR2004 - PrimitiveBlock.primitivegroup
                        _count(group, found)
    except (IndexError, KeyError, struct.error, zlib.error) as error:
        raise _damaged(path, "it is truncated, or not OpenStreetMap PBF throughout") from error
    return found


def _blocks(path: Path) -> Iterator[tuple[object, bytes]]:
    """The kind and the content of each block."""
    with path.open("rb") as file:
        while length := file.read(4):
            (size,) = struct.unpack(">I", length)
            if size > _MAX_HEADER:
                raise _damaged(path, "a block's header is larger than the format allows")
            header = dict(fields(_whole(file.read(size), size)))
            size = int(header[3])
            if size > _MAX_BLOB:
                raise _damaged(path, "a block is larger than the format allows")
            blob = dict(fields(_whole(file.read(size), size)))
            yield header[1], _unpacked(path, blob)


def _whole(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise IndexError
    return data


def _unpacked(path: Path, blob: dict[int, int | bytes]) -> bytes:
    if isinstance(raw := blob.get(1), bytes):
        return raw
    packed = blob.get(3)
    if not isinstance(packed, bytes):
        raise Unreadable(
            "unreadable",
            f"{path.name!r} is compressed in a way that is not read here (only zlib is, which nearly all programs use).",
            "Write it again with 'osmium cat in.osm.pbf -o out.osm.pbf -f pbf,pbf_compression=zlib'.",
        )
    unpacking = zlib.decompressobj()
    data = unpacking.decompress(packed, _MAX_BLOB + 1)
    if len(data) > _MAX_BLOB:
        raise _damaged(path, "a block is larger than the format allows")
    if not unpacking.eof:
        raise IndexError
    return data


def _check_features(required: list[bytes]) -> None:
    if b"HistoricalInformation" in required:
        raise _history()


def _count(group: bytes, found: Elements) -> None:
    """Count the elements of a group."""
    for number, element in fields(group):
        if not isinstance(element, bytes):
            continue
        if number == 4:  # noqa: PLR2004 - Relation
            found.relations += 1
        elif number == 3:  # noqa: PLR2004 - Way; 2: its keys
            found.ways += _has_keys(element)
        elif number == 1:  # Node; 2: its keys
            found.nodes += _has_keys(element)
        elif number == 2:  # noqa: PLR2004 - DenseNodes; 10: keys and values of each node, up to a 0
            packed = dict(fields(element)).get(10)
            found.nodes += _filled_lists(packed) if isinstance(packed, bytes) else 0


def _has_keys(element: bytes) -> bool:
    return any(number == 2 and value != b"" for number, value in fields(element))  # noqa: PLR2004


def _filled_lists(packed: bytes) -> int:
    """How many lists that end with a 0 are not empty. A byte of 0 that begins a number is the number 0."""
    filled, has_some, begins = 0, False, True
    for byte in packed:
        if byte == 0 and begins:
            filled += has_some
            has_some = False
        else:
            has_some = True
        begins = byte < _MORE
    return filled + has_some


def _damaged(path: Path, why: str) -> Unreadable:
    return Unreadable("damaged", f"{path.name!r} cannot be read: {why}.", "Download or extract it again.")


def _history() -> Unreadable:
    return Unreadable(
        "unreadable",
        "The file holds the history of its elements: several versions of each, and deleted ones.",
        "Extract one state with 'osmium time-filter in.osh.pbf -o out.osm.pbf'.",
    )
