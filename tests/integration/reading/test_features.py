"""Large files of GeoJSON features, parsed by Arrow: what comes out is what GDAL reads, or GDAL reads it."""

import json
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from libs.models import FileSpec, Rejected
from libs.spatial_utils.reading import ReadLimits, SchemaInferenceFailed, SourceFile, read_source
from tests.sampling import examples

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Feature = dict[str, Any]
SIZE = 9 * 1024 * 1024
"""Enough for being worth it."""
PAD = "x" * 4000


def feature(geometry: Any = None, **properties: Any) -> Feature:
    shape = geometry if geometry is not None else {"type": "Point", "coordinates": [8.0, 47.0]}
    return {"type": "Feature", "properties": {**properties, "pad": PAD}, "geometry": shape}


def write(
    path: Path,
    features: list[Feature],
    odd: Feature | str | None = None,
    *,
    between: str = ",\n",
    style: dict[str, Any] | None = None,
    before: str = '{"type": "FeatureCollection", "features": [\n',
    after: str = "\n]}\n",
) -> Path:
    """A large file in which the features come again and again, and once, where no sample is taken, an odd one."""
    texts = [json.dumps(each, **(style or {})) for each in features]
    times = SIZE // sum(len(text) for text in texts) + 1
    members = texts * times
    if odd is not None:
        at = len(members) * 15 // 32  # samples are taken at every sixteenth
        members[at:at] = [odd if isinstance(odd, str) else json.dumps(odd, **(style or {}))]
    path.write_text(before + between.join(members) + after, encoding="utf-8")
    return path


def same(first: Any, second: Any) -> bool:
    return (
        replace(first.layer, features=None) == replace(second.layer, features=None)  # only GDAL has counted them
        and first.table.schema == second.table.schema
        and first.table.combine_chunks() == second.table.combine_chunks()
        and first.warnings == second.warnings
    )


# --- what is parsed

ORDINARY = {
    "scalars": [
        feature(n=1, large=2**53 + 1, real=0.1, yes=True, text='Zürich "8000" \\', nothing=None),
        feature(n=None, large=-(2**40), real=1e-300, yes=None, text="", nothing=None),
    ],
    "numbers without and with a fraction": [feature(r=1), feature(r=-2.5), feature(r=123456789012345680)],
    "dates and times": [
        feature(day="2024-05-01", at="2024-05-01T10:00:00Z", local="2024-05-01T10:00:00.25"),
        feature(day="2023-12-31", at="2024-05-01T10:00:00.5Z", local=None),
    ],
    "times in a zone, and finer than GDAL's": [
        feature(at="2024-05-01T10:00:00.123456Z", there="2024-05-01T10:00:00+02:00"),
        feature(at="2024-05-01T10:00:00Z", there="2024-05-01T11:00:00+02:00"),
    ],
    "dates that do not exist": [feature(day="2024-02-30"), feature(day="2024-05-01")],
    "texts that look like numbers": [feature(zip="08000"), feature(zip="10")],
    "texts that look like features": [feature(text='"},{"'), feature(text='}, {"type": "Feature"'), feature(text="},{")],
    "keys that not all have": [feature(a=1), feature(b="x"), feature()],
    "no properties": [{**feature(), "properties": None}, feature()],
    "boxes": [{**feature(a=1), "bbox": [0, 0, 1, 1]}, feature(a=2)],
    "every type": [
        feature(json.loads(shapely.to_geojson(shapely.from_wkt(text))), n=number)
        for number, text in enumerate(
            [
                "POINT (1 2)",
                "LINESTRING (0 0, 1.5 1, 2 0)",
                "POLYGON ((0 0, 9 0, 9 9, 0 0), (1 1, 2 1, 2 2, 1 1))",
                "MULTIPOINT (0 0, 1 1)",
                "MULTILINESTRING ((0 0, 1 1), (2 2, 3 3, 4 4))",
                "MULTIPOLYGON (((0 0, 9 0, 9 9, 0 0), (1 1, 2 1, 2 2, 1 1)), ((20 20, 21 20, 21 21, 20 20)))",
            ]
        )
    ],
    "three dimensions": [
        feature({"type": "Point", "coordinates": [1, 2, 3.5]}),
        feature({"type": "MultiPoint", "coordinates": [[1, 2, 3]]}),
    ],
    "without geometry": [feature(n=1), {**feature(n=2), "geometry": None}],
    "short lines and rings": [
        feature({"type": "LineString", "coordinates": [[0, 0]]}),
        feature({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}),
    ],
    "odd names": [feature(**{"geom": 1, ".a": 2, "[0]": "x", "a.b": 4, "Ä": 5})],
    "other names of members": [feature(type="Polygon", coordinates="none", properties="p", geometries="g", id="i")],
}


@pytest.mark.parametrize("features", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_features_are_parsed_and_are_what_gdal_reads(read: Reader, tmp_path: Path, features: list[Feature]) -> None:
    path = write(tmp_path / "large.geojson", features)
    parsed = read(path, "GeoJSON", full_scan=False)
    assert parsed.inferred
    assert same(parsed, read(path, "GeoJSON"))


@pytest.mark.parametrize(
    "spelling",
    [
        {"between": ",", "style": {"separators": (",", ":")}, "after": "]}"},
        {"between": "\r\n,\r\n", "before": '\ufeff{"type":"FeatureCollection","features":[', "style": {"ensure_ascii": False}},
        {"between": ",\n    ", "style": {"indent": 4}},
        {"before": '{"features": [', "after": '],\n"type": "FeatureCollection"}'},
        {
            "before": '{"type": "FeatureCollection", "name": "a name", "features": [',
            "after": '], "bbox": [0, 0, 1, 1], "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2056"}}}',
        },
    ],
    ids=["without spaces", "with a byte order mark", "indented", "type last", "with a CRS at the end"],
)
def test_so_they_are_however_the_file_is_spelled(read: Reader, tmp_path: Path, spelling: dict[str, Any]) -> None:
    polygons = [feature(json.loads(shapely.to_geojson(shapely.box(n, n, n + 1, n + 1))), n=n, name="Öl") for n in range(3)]
    multi = feature({"type": "MultiPolygon", "coordinates": [polygons[0]["geometry"]["coordinates"]]}, n=9, name=None)
    path = write(tmp_path / "large.geojson", polygons, multi, **spelling)
    parsed, certain = read(path, "GeoJSON", full_scan=False), read(path, "GeoJSON")
    assert parsed.inferred
    assert same(parsed, certain)


def test_lines_of_features_are_parsed(read: Reader, tmp_path: Path) -> None:
    features = [feature(n=1, name="a"), feature(n=2, name=None)]
    path = write(tmp_path / "large.geojsonl", features, between="\n", before="", after="\n")
    parsed = read(path, "GeoJSONSeq", full_scan=False)
    assert parsed.inferred
    assert same(parsed, read(path, "GeoJSONSeq"))


@pytest.mark.parametrize("identity", [int, str])
def test_ids_of_features_become_a_column(read: Reader, tmp_path: Path, identity: type) -> None:
    features = [{**feature(n=number), "id": identity(number)} for number in range(SIZE // len(PAD))]
    path = write(tmp_path / "large.geojson", features)
    parsed = read(path, "GeoJSON", full_scan=False)
    assert parsed.inferred
    assert parsed.table.column("id").to_pylist() == [identity(number) for number in range(len(features))]
    assert same(parsed, read(path, "GeoJSON"))


@pytest.mark.parametrize("own", [None, 3, "x"])
def test_ids_beside_a_property_of_that_name(read: Reader, tmp_path: Path, own: Any) -> None:
    path = write(tmp_path / "large.geojson", [{**feature(id=own), "id": own and 7}, {**feature(id=4), "id": own and 7}])
    parsed = read(path, "GeoJSON", full_scan=False)
    assert same(parsed, read(path, "GeoJSON"))


@pytest.mark.parametrize("odd", [4, 5])
def test_ids_that_are_a_property_but_for_one(read: Reader, tmp_path: Path, odd: int) -> None:
    features = [{**feature(id=4), "id": 4}]
    path = write(tmp_path / "large.geojson", features, {**feature(id=4), "id": odd})
    if odd == 4:
        assert read(path, "GeoJSON", full_scan=False).inferred
        return
    with pytest.raises(SchemaInferenceFailed):
        read(path, "GeoJSON", full_scan=False)
    assert set(read(path, "GeoJSON").table["feature_id"].to_pylist()) == {4, 5}


def test_what_other_programs_write_is_parsed(read: Reader, tmp_path: Path) -> None:
    rows = 3_000
    shapes = [shapely.box(n, 0, n + 1, 1) if n % 3 else shapely.MultiPolygon([shapely.box(n, 2, n + 1, 3)]) for n in range(rows)]
    frame = geopandas.GeoDataFrame({"n": range(rows), "name": ["é" * 1500] * rows}, geometry=shapes, crs="EPSG:2056")
    frame.to_file(tmp_path / "gdal.geojson", driver="GeoJSON", engine="pyogrio")
    (tmp_path / "geopandas.geojson").write_text(frame.to_json(), encoding="utf-8")
    for path in tmp_path.iterdir():
        parsed = read(path, "GeoJSON", full_scan=False)
        assert parsed.inferred
        assert same(parsed, read(path, "GeoJSON"))
        assert [shape.wkb for shape in parsed.geometries] == [shape.wkb for shape in shapes]


def test_several_files_of_an_archive(read: Reader, tmp_path: Path) -> None:
    one = write(tmp_path / "one.geojson", [feature(n=1), feature(n=2)])
    broken = tmp_path / "broken.geojson"
    broken.write_text(one.read_text(encoding="utf-8")[:-10], encoding="utf-8")
    odd = write(tmp_path / "odd.geojson", [feature(n=[1])])
    for files in ((one, odd), (odd, one)):
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            for file in files:
                archive.write(file, file.name)
        parsed, certain = (read(tmp_path / "all.zip", "GeoJSON", full_scan=full_scan) for full_scan in (False, True))
        assert (parsed.inferred, certain.inferred) == (True, False)
        assert parsed.tables.keys() == certain.tables.keys() == {"one/one", "odd/odd"}
        assert all(parsed.tables[name].combine_chunks() == table.combine_chunks() for name, table in certain.tables.items())
    with zipfile.ZipFile(tmp_path / "all.zip", "a") as archive:
        archive.write(broken, broken.name)
    with pytest.raises(Rejected, match="broken"):
        read(tmp_path / "all.zip", "GeoJSON", full_scan=False)


def test_a_feature_larger_than_what_is_parsed_at_once(read: Reader, tmp_path: Path) -> None:
    coast = {"type": "LineString", "coordinates": [[n / 7, n / 11] for n in range(200_000)]}
    path = write(tmp_path / "large.geojson", [feature({"type": "LineString", "coordinates": [[0, 0], [1, 1]]})], feature(coast))
    parsed = read(path, "GeoJSON", full_scan=False)
    assert parsed.inferred
    assert same(parsed, read(path, "GeoJSON"))


# --- what is left to GDAL

INFINITY = float("inf")  # no JSON, but Python and GDAL write it
POLYGON = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
BASE = feature(POLYGON, n=1, real=0.5, text="a", day="2024-05-01", at="2024-05-01T10:00:00Z", empty=None)


def changed(**properties: Any) -> Feature:
    return {**BASE, "properties": {**BASE["properties"], **properties}}


def shaped(kind: str, coordinates: Any, **members: Any) -> Feature:
    return {**BASE, "geometry": {"type": kind, "coordinates": coordinates, **members}}


ODD: dict[str, Feature | str] = {
    "a further property": changed(late=1),
    "a fraction among integers": changed(n=1.5),
    "an integer of 64 bits": changed(n=2**40),
    "an integer of more": changed(n=2**70),
    "an integer that would be rounded": changed(real=2**53 + 1),
    "a number among texts": changed(text=5),
    "a text among numbers": changed(real="high"),
    "a truth among numbers": changed(n=True),
    "an object": changed(text={"a": 1}),
    "a list": changed(n=[1, 2]),
    "no date": changed(day="yesterday"),
    "a date that is none": changed(day="2024-02-31"),
    "a time among dates": changed(day="2024-05-01T10:00:00"),
    "a time without a zone": changed(at="2024-05-01T10:00:00"),
    "a time in another zone": changed(at="2024-05-01T10:00:00+02:00"),
    "a finer time": changed(at="2024-05-01T10:00:00.123456Z"),
    "the first value is a date": changed(empty="2024-05-01"),
    "the first value is a time": changed(empty="10:00:00"),
    "the first value is a number": changed(empty=7),
    "NUL": changed(text="a\0b"),
    "half a character": json.dumps(BASE).replace('"a"', '"\\ud800"'),
    "a number that no double holds": json.dumps(BASE).replace("0.5", "1e400"),
    "a property twice": json.dumps(BASE).replace('"real"', '"n"'),
    "three dimensions": shaped("Polygon", [[[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 0, 1]]]),
    "two and three dimensions": shaped("Polygon", [[[0, 0, 1], [1, 0], [1, 1], [0, 0, 1]]]),
    "four numbers": shaped("Polygon", [[[0, 0, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1], [0, 0, 1, 1]]]),
    "a ring that is not closed": shaped("Polygon", [[[0, 0], [1, 0], [1, 1]]]),
    "a ring without positions": shaped("Polygon", [[]]),
    "no ring": shaped("Polygon", []),
    "no coordinates": shaped("Polygon", None),
    "null among numbers": shaped("Polygon", [[[0, 0], [None, 0], [1, 1], [0, 0]]]),
    "another type": shaped("Point", [1, 2]),
    "a type that is none": shaped("polygon", POLYGON["coordinates"]),
    "another type's coordinates": shaped("MultiPolygon", POLYGON["coordinates"]),
    "coordinates before the type": {**BASE, "geometry": {"coordinates": [[POLYGON["coordinates"][0]]], "type": "MultiPolygon"}},
    "a collection of geometries": {**BASE, "geometry": {"type": "GeometryCollection", "geometries": [POLYGON]}},
    "a further member of a geometry": shaped("Polygon", POLYGON["coordinates"], crs="EPSG:4326"),
    "an empty geometry": {**BASE, "geometry": {}},
    "an id": {**BASE, "id": 7},
    "a further member": {**BASE, "title": "x"},
    "a feature in a feature": changed(text={"type": "Feature", "properties": {}, "geometry": None}),
    "no feature": {**BASE, "type": "feature"},
    "another object": {"type": "Topology"},
    "a list of features": json.dumps([BASE]),
    "a broken feature": json.dumps(BASE)[:-2],
    "a line break in a text": json.dumps(BASE).replace('"a"', '"a\nb"'),
    "two commas": json.dumps(BASE) + ",",
    "nothing": "null",
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_one_odd_feature_leaves_the_file_to_gdal(read: Reader, tmp_path: Path, odd: Feature | str) -> None:
    path = write(tmp_path / "large.geojson", [BASE], odd)
    with pytest.raises(SchemaInferenceFailed):
        read(path, "GeoJSON", full_scan=False)


def test_without_an_odd_feature_it_is_not(read: Reader, tmp_path: Path) -> None:
    harmless = (
        changed(empty="first", real=3, text="é", day=None),
        shaped("MultiPolygon", [POLYGON["coordinates"]]),
        changed(real=-INFINITY),
    )
    for odd in (*harmless, {**BASE, "geometry": None}, {**BASE, "properties": None}, {**BASE, "bbox": [0, 0, 1, 1]}):
        path = write(tmp_path / "large.geojson", [BASE], odd)
        assert same(read(path, "GeoJSON", full_scan=False), read(path, "GeoJSON"))


@pytest.mark.parametrize(
    "change",
    [
        {"features": [feature(list=[1, 2])]},
        {"features": [feature(object={"a": 1})]},
        {"features": [feature(clock="10:00:00")]},
        {"features": [feature(mixed="2024-05-01T10:00:00Z"), feature(mixed="2024-05-01T10:00:00+02:00")]},
        {"features": [{**feature(), "title": "x"}]},
        {"features": [{**feature(), "geometry": {"type": "GeometryCollection", "geometries": [POLYGON]}}]},
        {"features": [{**feature(), "geometry": None}]},
        {"features": [{**feature(), "id": 1}, {**feature(), "id": "a"}]},
        {"features": [{**feature(), "id": 1}, feature()]},
        {"features": [feature(mixed=True), feature(mixed=1)]},
        {"before": '{"type": "FeatureCollection", "other": {"features": [', "after": ']}, "features": []}'},
    ],
)
def test_so_do_odd_files_from_the_start(read: Reader, tmp_path: Path, change: dict[str, Any]) -> None:
    path = write(tmp_path / "large.geojson", **{"features": [feature()], **change})
    assert not read(path, "GeoJSON", full_scan=False).inferred


# --- both

NUMBERS = st.integers(-(2**58), 2**58) | st.floats(allow_nan=False, allow_infinity=False)
DATES = (
    st.dates().map(str) | st.datetimes().map(lambda moment: moment.isoformat()) | st.sampled_from(["2024-05-01T10:00:00Z", ""])
)
VALUES = st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | DATES | st.lists(st.integers(), max_size=2)
COLUMNS = st.one_of(
    st.integers(-9, 9),
    NUMBERS,
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5),
    st.dates().map(str),
)
POSITIONS = st.tuples(st.floats(-180, 180), st.floats(-90, 90)).map(list)
LINES = st.lists(POSITIONS, min_size=2, max_size=4)
RINGS = st.lists(POSITIONS, min_size=3, max_size=5).map(lambda ring: [*ring, ring[0]])
POLYGONS = st.lists(RINGS, min_size=1, max_size=2)
SHAPES = st.one_of(
    st.builds(lambda kind, coordinates: {"type": kind, "coordinates": coordinates}, st.just(kind), coordinates)
    for kind, coordinates in {
        "Point": POSITIONS,
        "LineString": LINES,
        "Polygon": POLYGONS,
        "MultiPoint": LINES,
        "MultiLineString": st.lists(LINES, min_size=1, max_size=2),
        "MultiPolygon": st.lists(POLYGONS, min_size=1, max_size=2),
    }.items()
)


@st.composite
def ordinary_features(draw: st.DrawFn) -> list[Feature]:
    columns = draw(
        st.dictionaries(
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=4), st.just(COLUMNS), max_size=3
        )
    )
    row = st.fixed_dictionaries({name: st.none() | values for name, values in columns.items()})
    rows = draw(st.lists(st.tuples(row, SHAPES), min_size=1, max_size=4))
    return [feature(shape, **properties) for properties, shape in rows]


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    features=ordinary_features(),
    odd=st.none()
    | st.builds(lambda values, shape: feature(shape, **values), st.dictionaries(st.sampled_from("ab"), VALUES), SHAPES),
    style=st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False}]),
    between=st.sampled_from([",", ",\n", " , \r\n"]),
)
def test_what_is_parsed_is_what_gdal_reads(
    read: Reader, tmp_path: Path, features: list[Feature], odd: Feature | None, style: dict[str, Any], between: str
) -> None:
    path = write(tmp_path / "any.geojson", features, odd, style=style, between=between)
    try:
        parsed = read(path, "GeoJSON", full_scan=False)
    except SchemaInferenceFailed:
        event("misjudged")
        return
    except Rejected:
        event("rejected")
        with pytest.raises(Rejected):
            read(path, "GeoJSON")
        return
    event("parsed" if parsed.inferred else "read by GDAL")
    assert same(parsed, read(path, "GeoJSON"))


def consumed(path: Path, *, can_roll_back: bool = True, refuses: bool = False) -> list[Any]:
    """What happens when a file is read from end to end: the type of ``n``, the rows, and each step back."""
    happened: list[Any] = []

    def consume(source: SourceFile) -> None:
        for stream in source.streams():
            happened.append(str(stream.schema.field("n").type))
            if refuses:
                raise Rejected.because("refused", "files[0]", "The recipe does not want it.", "Change it.")
            happened.append(sum(batch.num_rows for batch in stream))

    spec = FileSpec(path=f"s3://landing-zone/{path.name}", type="vector", format="GeoJSON")
    undo = (lambda: happened.append("rolled back")) if can_roll_back else None
    with pytest.raises(Rejected, match="refused") if refuses else nullcontext():
        read_source(path, spec, "files[0]", ReadLimits(seconds=60), consume, undo)
    return happened


def test_a_file_whose_types_do_not_hold_is_read_again_for_its_consumer(tmp_path: Path) -> None:
    path = write(tmp_path / "large.geojson", [feature(n=1)], feature(n="one"))
    rows = len(path.read_text().splitlines()) - 2
    again = consumed(path)
    assert (again[0], again[-3:]) == ("int32", ["rolled back", "string", rows])
    assert consumed(path, can_roll_back=False) == ["string", rows]


def test_a_file_whose_types_hold_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "large.geojson", [feature(n=1)])
    assert consumed(path) == ["int32", len(path.read_text().splitlines()) - 2]


def test_what_the_consumer_refuses_of_inferred_types_is_tried_on_certain_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "large.geojson", [feature(n=1)])
    assert consumed(path, refuses=True) == ["int32", "rolled back", "int32"]
