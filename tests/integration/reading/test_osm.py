"""OpenStreetMap. The PBF files are written here, byte by byte; what is in a real one is counted by the test itself."""

import json
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
import shapely

from libs.models import Problem
from libs.spatial_utils.reading import ReadLimits
from tests.integration.reading.writing import message, number, varint

pytestmark = pytest.mark.integration

CORPUS = os.environ.get("SPATIAL_ETL_CORPUS", "")
Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
Tags = dict[str, str]
Node = tuple[int, float, float, Tags]
Way = tuple[int, list[int], Tags]
Relation = tuple[int, list[tuple[str, int, str]], Tags]

SQUARE: list[Node] = [
    (1, 9.0, 47.0, {}), (2, 9.1, 47.0, {"highway": "stop", "note": 'a "quoted" Ü'}), (3, 9.1, 47.1, {}), (4, 9.0, 47.1, {}),
    (5, 9.5, 47.5, {"created_by": "an editor"}),
]  # fmt: skip
WAYS: list[Way] = [
    (10, [1, 2, 3, 4, 1], {"building": "yes"}), (11, [1, 3], {"highway": "path"}), (12, [2, 4], {}),
    (13, [1, 2, 3, 1], {"leisure": "park"}),
]  # fmt: skip
RELATIONS: list[Relation] = [
    (20, [("way", 10, "outer")], {"type": "multipolygon", "landuse": "forest"}),
    (21, [("way", 11, ""), ("way", 12, "")], {"type": "route", "name": "R"}),
    (22, [("node", 2, "via"), ("way", 11, "from")], {"type": "restriction"}),
    (23, [("way", 999, "outer")], {"type": "multipolygon"}),
]


def signed(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def deltas(values: Sequence[int]) -> bytes:
    return b"".join(signed(value - before) for value, before in zip(values, [0, *values], strict=False))


def block(kind: bytes, content: bytes, *, packed: bytes | None = None) -> bytes:
    blob = packed or number(2, len(content)) + message(3, zlib.compress(content))
    header = message(1, kind) + number(3, len(blob))
    return struct.pack(">I", len(header)) + header + blob


def header(*features: bytes) -> bytes:
    required = (b"OsmSchema-V0.6", b"DenseNodes", *features)
    return block(b"OSMHeader", b"".join(message(4, feature) for feature in required))


def pbf(path: Path, nodes: list[Node] = SQUARE, ways: list[Way] = WAYS, relations: list[Relation] = RELATIONS) -> Path:
    table = [""]

    def text(value: str) -> int:
        if value not in table:
            table.append(value)
        return table.index(value)

    def tags(of: Tags) -> bytes:
        keys, values = (b"".join(varint(text(each)) for each in side) for side in (of.keys(), of.values()))
        return message(2, keys) + message(3, values) if of else b""

    key_values = b"".join(
        b"".join(varint(text(key)) + varint(text(value)) for key, value in of.items()) + b"\0" for *_, of in nodes
    )
    count = len(nodes)
    info = (
        message(1, varint(3) * count) + message(2, deltas([1_700_000_000] * count)) + message(3, deltas([7] * count))
        + message(4, deltas([8] * count)) + message(5, deltas([text("someone")] * count))
    )  # fmt: skip
    dense = (
        message(1, deltas([each[0] for each in nodes])) + message(5, info)
        + message(8, deltas([round(each[2] * 1e7) for each in nodes]))
        + message(9, deltas([round(each[1] * 1e7) for each in nodes])) + message(10, key_values)
    )  # fmt: skip
    groups = [message(2, dense)] if nodes else []
    groups.append(b"".join(message(3, number(1, id_) + tags(of) + message(8, deltas(refs))) for id_, refs, of in ways))
    kinds = {"node": 0, "way": 1, "relation": 2}
    groups.append(
        b"".join(
            message(
                4,
                number(1, id_) + tags(of) + message(8, b"".join(varint(text(role)) for *_, role in members))
                + message(9, deltas([ref for _, ref, _ in members])) + message(10, bytes(kinds[kind] for kind, *_ in members)),
            )
            for id_, members, of in relations
        )
    )  # fmt: skip
    strings = b"".join(message(1, each.encode()) for each in table)
    content = message(1, strings) + b"".join(message(2, group) for group in groups if group)
    path.write_bytes(header() + block(b"OSMData", content))
    return path


def xml(path: Path) -> Path:
    def tags(of: Tags) -> str:
        return "".join(f"<tag k='{key}' v={quoteattr(value)}/>" for key, value in of.items())

    known = "version='3' timestamp='2023-11-14T22:13:20Z' uid='8' user='someone' changeset='7'"
    nodes = "".join(
        f"<node id='{id_}' lon='{x}' lat='{y}' {known if id_ < 10 else ''}>{tags(of)}</node>" for id_, x, y, of in SQUARE
    )
    ways = "".join(
        f"<way id='{id_}'>" + "".join(f"<nd ref='{ref}'/>" for ref in refs) + f"{tags(of)}</way>" for id_, refs, of in WAYS
    )
    relations = "".join(
        f"<relation id='{id_}'>"
        + "".join(f"<member type='{kind}' ref='{ref}' role='{role}'/>" for kind, ref, role in members)
        + f"{tags(of)}</relation>"
        for id_, members, of in RELATIONS
    )
    path.write_text(f"<?xml version='1.0' encoding='UTF-8'?><osm version='0.6'>{nodes}{ways}{relations}</osm>", encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "kind", "make"), [("a.osm.pbf", "OSM PBF", pbf), ("a.osm", "OSM XML", xml)])
def test_every_element_with_tags_is_a_feature(
    read: Reader, tmp_path: Path, name: str, kind: str, make: Callable[[Path], Path]
) -> None:
    got = read(make(tmp_path / name), kind)
    ids = {name: table["osm_id"].to_pylist() for name, table in got.tables.items()}
    assert ids == {
        "points": [2, 5], "lines": [11], "multilinestrings": [21], "multipolygons": [20, None], "other_relations": [22],
    }  # fmt: skip
    assert got.tables["multipolygons"]["osm_way_id"].to_pylist() == [None, 13]
    assert [json.loads(each) for each in got.tables["multipolygons"]["all_tags"].to_pylist()] == [RELATIONS[0][2], WAYS[3][2]]
    points = got.tables["points"].to_pylist()
    assert [json.loads(each["all_tags"]) for each in points] == [SQUARE[1][3], SQUARE[4][3]]
    assert [shapely.to_wkt(shapely.from_wkb(each["geom"]), 6) for each in points] == [
        "POINT (9.1 47)",
        "POINT (9.5 47.5)",
    ]
    known = {name: points[0][f"osm_{name}"] for name in ("version", "timestamp", "uid", "user", "changeset")}
    assert known == {
        "version": 3, "timestamp": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), "uid": 8, "user": "someone", "changeset": 7,
    }  # fmt: skip
    square = shapely.MultiPolygon([shapely.Polygon([(9, 47), (9.1, 47), (9.1, 47.1), (9, 47.1)])])
    assert shapely.from_wkb(got.tables["multipolygons"]["geom"][0].as_py()).equals_exact(square, 1e-9)
    line = shapely.LineString([(9, 47), (9.1, 47.1)])
    assert shapely.from_wkb(got.tables["lines"]["geom"][0].as_py()).equals_exact(line, 1e-9)
    assert all(layer.crs.name == "EPSG:4326" for layer in got.layers.values())
    (warning,) = got.warnings
    assert warning.code == "osm_elements_not_read"
    assert warning.message.startswith("1 of 4 relations and 1 of 3 ways")


def test_one_layer(read: Reader, tmp_path: Path) -> None:
    got = read(pbf(tmp_path / "a.pbf"), "OSM PBF", layer="multipolygons")
    assert [*got.tables] == ["multipolygons"]
    assert got.table["osm_way_id"].to_pylist() == [None, 13]


def test_layers_without_features_are_none(read: Reader, tmp_path: Path) -> None:
    got = read(pbf(tmp_path / "a.pbf", ways=WAYS[1:2], relations=[]), "OSM PBF")
    assert sorted(got.tables) == ["lines", "points"]
    assert not got.warnings


@pytest.mark.skipif(not CORPUS, reason="SPATIAL_ETL_CORPUS is not set: real files are not tried")
def test_a_real_extract(read: Reader) -> None:
    """The numbers are those of the file's elements with tags, and of its relations that are whole."""
    got = read(Path(CORPUS) / "real" / "osm" / "liechtenstein-latest.osm.pbf", "OSM PBF")
    assert {name: table.num_rows for name, table in got.tables.items()} == {
        "points": 4809, "lines": 5235, "multilinestrings": 217, "multipolygons": 9902, "other_relations": 29,
    }  # fmt: skip
    assert [each.message[:59] for each in got.warnings] == ["48 of 358 relations and 17 of 15,090 ways with tags have no"]


@pytest.mark.skipif(not CORPUS, reason="SPATIAL_ETL_CORPUS is not set: real files are not tried")
def test_more_nodes_than_memory(refused: Refuser) -> None:
    path = Path(CORPUS) / "real" / "osm" / "liechtenstein-latest.osm.pbf"
    problem = refused(path, "OSM PBF", limits=ReadLimits(memory_mb=4, seconds=60))
    assert problem.code == "read_out_of_memory"
    assert "SPATIAL_ETL_READ_MEMORY_MB" in problem.remedy


@pytest.mark.parametrize("cut", [3, 40, -1, -20])
def test_a_truncated_file(refused: Refuser, tmp_path: Path, cut: int) -> None:
    path = pbf(tmp_path / "a.pbf")
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) + cut if cut < 0 else len(header()) + cut])
    assert refused(path, "OSM PBF").code == "damaged"


def test_a_block_that_grows_beyond_measure(refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.pbf"
    path.write_bytes(header() + block(b"OSMData", b"\0" * (64 * 1024 * 1024)))
    assert refused(path, "OSM PBF").code == "damaged"


def test_what_is_not_read(refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.pbf"
    path.write_bytes(header(b"HistoricalInformation") + block(b"OSMData", b""))
    assert "history" in refused(path, "OSM PBF").message
    path.write_bytes(header() + block(b"OSMData", b"", packed=number(2, 1) + message(7, b"zstd")))
    assert "osmium" in refused(path, "OSM PBF").remedy


def test_entities(refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.osm"
    entities = '<!ENTITY a0 "aaaaaaaaaaaaaaaa">' + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 9))
    path.write_text(f"<!DOCTYPE osm [{entities}]><osm><node id='1' lon='1' lat='1'><tag k='a' v='&a8;'/></node></osm>")
    assert refused(path, "OSM XML").code == "damaged"
