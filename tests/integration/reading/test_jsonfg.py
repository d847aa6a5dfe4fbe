"""JSON-FG: geometries in any CRS and order of axes, solids, curves, times, several types of features."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from libs.models import Problem
from libs.pipeline.format_choice import format_of

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]

EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
LON_LAT = {"type": "Point", "coordinates": [11.9985, 49.6367]}
UTM = {"type": "Point", "coordinates": [500_000, 5_500_000]}
SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]


def feature(place: Any = None, geometry: Any = None, **members: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": "a", "place": place, "geometry": geometry, "time": None, "properties": {}} | members


def written(folder: Path, *features: Any, name: str = "a.json", **members: Any) -> Path:
    conforms = {"conformsTo": ["http://www.opengis.net/spec/json-fg-1/1.0/conf/core"]}
    path = folder / name
    path.write_text(json.dumps({"type": "FeatureCollection", **conforms, **members, "features": [*features]}))
    return path


@pytest.mark.filterwarnings("ignore")  # pyogrio does not know the driver
@pytest.mark.parametrize("code", [31468, 25832, 4258, 2180])
def test_what_gdal_writes_comes_back_with_x_first(read: Reader, tmp_path: Path, code: int) -> None:
    shapes = [shapely.Point(11.5, 49.5), shapely.LineString([(11, 49), (12, 50)]), shapely.box(11, 49, 12, 50)]
    frame = gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=shapes, crs="EPSG:4326").to_crs(code)
    frame.to_file(tmp_path / "a.json", driver="JSONFG", engine="pyogrio", layer="things")
    assert format_of(tmp_path / "a.json").name == "JSON-FG"
    got = read(tmp_path / "a.json", "JSON-FG")
    assert got.layer.name == "things"
    assert got.layer.crs.name == f"EPSG:{code}"
    assert got.table.column("n").to_pylist() == [1, 2, 3]
    for wrote, came in zip(frame.geometry, got.geometries, strict=True):
        assert shapely.equals_exact(wrote, came, tolerance=1e-6)
    assert got.warnings == []


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (EPSG + "25832", "EPSG:25832"),
        ("[EPSG:25832]", "EPSG:25832"),
        ({"type": "Reference", "href": "[EPSG:25832]"}, "EPSG:25832"),
        ("urn:ogc:def:crs:EPSG::25832", "EPSG:25832"),
    ],
)
@pytest.mark.parametrize("where", ["collection", "feature", "geometry"])
def test_a_crs_in_every_spelling_and_place(read: Reader, tmp_path: Path, said: Any, name: str, where: str) -> None:
    member = {"coordRefSys": said}
    place = UTM | (member if where == "geometry" else {})
    made = feature(place, LON_LAT, **(member if where == "feature" else {}))
    path = written(tmp_path, made, **(member if where == "collection" else {}))
    got = read(path, "JSON-FG")
    assert (got.layer.crs.name, got.geometries) == (name, [shapely.Point(500_000, 5_500_000)])


@pytest.mark.parametrize(
    "said",
    [
        [EPSG + "25832", EPSG + "7837"],
        ["[EPSG:25832]", {"type": "Reference", "href": "[EPSG:7837]"}],
        f"http://www.opengis.net/def/crs-compound?1={EPSG}25832&2={EPSG}7837",
    ],
)
def test_a_compound_crs(read: Reader, tmp_path: Path, said: Any) -> None:
    got = read(written(tmp_path, feature({"type": "Point", "coordinates": [500_000, 5_500_000, 7]}), coordRefSys=said), "JSON-FG")
    assert str(got.layer.crs) == "'ETRS89 / UTM zone 32N + DHHN2016 height' (no authority code)"
    assert got.geometries[0].wkt == "POINT Z (500000 5500000 7)"


def test_an_epoch_is_told(read: Reader, tmp_path: Path) -> None:
    said = {"type": "Reference", "href": EPSG + "9000", "epoch": 2016.47}
    got = read(written(tmp_path, feature({"type": "Point", "coordinates": [49, 11]}), coordRefSys=said), "JSON-FG")
    assert got.geometries == [shapely.Point(11, 49)]
    assert [warning.code for warning in got.warnings] == ["epoch"]


def test_without_a_place_the_geometry_is_in_wgs_84(read: Reader, tmp_path: Path) -> None:
    got = read(written(tmp_path, feature(None, LON_LAT), coordRefSys=EPSG + "25832"), "JSON-FG")
    assert (got.layer.crs.name, got.layer.crs_source) == ("EPSG:4326", "format")
    assert got.geometries == [shapely.Point(11.9985, 49.6367)]


@pytest.mark.parametrize("crs", ["http://www.opengis.net/def/crs/OGC/0/CRS84h", None])
def test_a_place_in_wgs_84_has_its_longitude_first(read: Reader, tmp_path: Path, crs: str | None) -> None:
    place = {"type": "Point", "coordinates": [7, 50, 100]}
    got = read(written(tmp_path, feature(place), feature(None, LON_LAT), coordRefSys=crs), "JSON-FG")
    assert got.layer.crs.name == "EPSG:4326"
    assert [shape.x for shape in got.geometries] == [7, 11.9985]


def test_types_of_features_and_crss_are_layers(read: Reader, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        feature(UTM, featureType="tree", properties={"n": 1}),
        feature(None, LON_LAT, featureType="tree", properties={"n": 2}),
        feature(None, None, featureType="tree", properties={"n": 3}),
        feature({"type": "Point", "coordinates": [49, 11]}, featureType=["pond", "lake"], coordRefSys="[EPSG:4258]"),
        featureType="ignored",
        coordRefSys="[EPSG:25832]",
    )
    got = read(path, "JSON-FG")
    assert {name: (layer.crs.name, got.tables[name].num_rows) for name, layer in got.layers.items()} == {
        "tree (EPSG:25832)": ("EPSG:25832", 2),
        "tree (EPSG:4326)": ("EPSG:4326", 1),
        "pond+lake": ("EPSG:4258", 1),
    }
    assert got.tables["tree (EPSG:25832)"].column("n").to_pylist() == [1, 3]


def test_the_geometry_may_be_chosen(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    path = written(tmp_path, feature(UTM, LON_LAT), coordRefSys="[EPSG:25832]")
    assert read(path, "JSON-FG", geometry="geometry").layer.crs.name == "EPSG:4326"
    assert read(path, "JSON-FG", geometry="place").layer.crs.name == "EPSG:25832"
    assert refused(path, "JSON-FG", geometry="shape").code == "unknown_geometry"


def test_times_are_columns(read: Reader, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        feature(time={"timestamp": "2024-05-01T10:00:00Z"}),
        feature(time={"date": "2024-05-02", "timestamp": "2024-05-02T10:00:00Z", "interval": ["2024-05-01", ".."]}),
        feature(time={"interval": ["..", "2024-06-01"]}),
        feature(time=None, properties={"time_end": "x"}),
    )
    got = read(path, "JSON-FG").table
    assert got.column("time").to_pylist() == [
        datetime(2024, 5, 1, 10, tzinfo=UTC), datetime(2024, 5, 2, 10, tzinfo=UTC), None, None,
    ]  # fmt: skip
    assert got.column("time_start").to_pylist() == [None, date(2024, 5, 1), None, None]
    assert got.column("feature_time_end").to_pylist() == [None, None, date(2024, 6, 1), None]
    assert got.column("time_end").to_pylist() == [None, None, None, "x"]


@pytest.mark.parametrize("time", ["yesterday", {"date": "2024-05-01", "timestamp": "2023-01-01T00:00:00Z"}, {"year": 3}, [1]])
def test_times_of_another_kind_stay_as_they_are(read: Reader, tmp_path: Path, time: Any) -> None:
    got = read(written(tmp_path, feature(time=time)), "JSON-FG").table.column("time").to_pylist()
    assert got == [time if isinstance(time, str) else json.dumps(time)]


def cube(x: float = 0) -> list[Any]:
    def ring(*positions: tuple[float, float, float]) -> list[Any]:
        return [[[x + a, b, c] for a, b, c in (*positions, positions[0])]]

    low, high = [(0, 0, 0), (0, 9, 0), (9, 9, 0), (9, 0, 0)], [(0, 0, 9), (9, 0, 9), (9, 9, 9), (0, 9, 9)]
    sides = [((0, 0), (9, 0)), ((9, 0), (9, 9)), ((9, 9), (0, 9)), ((0, 9), (0, 0))]
    return [ring(*low), ring(*high), *(ring((*a, 0), (*b, 0), (*b, 9), (*a, 9)) for a, b in sides)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "kind", "faces"),
    [
        ({"type": "Polyhedron", "coordinates": [cube()]}, "MultiPolygon", 6),
        ({"type": "Polyhedron", "coordinates": [cube(), cube(2)]}, "MultiPolygon", 12),
        ({"type": "MultiPolyhedron", "coordinates": [[cube()], [cube(20)]]}, "GeometryCollection", 12),
        ({"type": "Prism", "base": {"type": "Polygon", "coordinates": [SQUARE]}, "lower": 0, "upper": 9}, "MultiPolygon", 6),
        ({"type": "Prism", "base": {"type": "LineString", "coordinates": SQUARE[:3]}, "lower": 0, "upper": 9}, "MultiPolygon", 2),
        (
            {
                "type": "MultiPrism",
                "prisms": [{"type": "Prism", "base": {"type": "Polygon", "coordinates": [SQUARE]}, "lower": 0, "upper": 9}] * 2,
            },
            "GeometryCollection",
            12,
        ),
    ],
)
def test_solids_are_the_faces_around_them(read: Reader, tmp_path: Path, place: Any, kind: str, faces: int) -> None:
    got = read(written(tmp_path, feature(place, featureType="b"), coordRefSys="[EPSG:25832]"), "JSON-FG")
    (shape,) = got.geometries
    parts = [*shape.geoms] if kind == "MultiPolygon" else [face for part in shape.geoms for face in part.geoms]
    assert (shape.geom_type, shape.has_z, len(parts)) == (kind, True, faces)
    assert {z for *_, z in shapely.get_coordinates(shape, include_z=True)} == {0, 9}
    assert got.counts == {"b": {"surfaces_to_polygons": 1}}


def test_a_prism_on_a_point_is_a_line(read: Reader, tmp_path: Path) -> None:
    place = {"type": "Prism", "base": {"type": "Point", "coordinates": [81220.15, 455113.71]}, "lower": 2.02, "upper": 8.02}
    got = read(written(tmp_path, feature(place, featureType="app:pylon"), coordRefSys="[EPSG:7415]"), "JSON-FG")
    assert got.geometries[0].wkt == "LINESTRING Z (81220.15 455113.71 2.02, 81220.15 455113.71 8.02)"


def test_a_prism_in_a_crs_with_its_northing_first(read: Reader, tmp_path: Path) -> None:
    base = {
        "type": "Polygon",
        "coordinates": [[[5_500_000, 4_500_000], [5_500_000, 4_500_010], [5_500_005, 4_500_010], [5_500_000, 4_500_000]]],
    }
    place = {"type": "Prism", "base": base, "lower": 1, "upper": 2}
    got = read(written(tmp_path, feature(place), coordRefSys="[EPSG:31468]"), "JSON-FG")
    assert got.geometries[0].bounds == (4_500_000, 5_500_000, 4_500_010, 5_500_005)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ({"type": "CircularString", "coordinates": [[0, 0], [1, 1], [2, 0]]}, "LineString"),
        (
            {
                "type": "CompoundCurve",
                "geometries": [
                    {"type": "LineString", "coordinates": [[-1, 0], [0, 0]]},
                    {"type": "CircularString", "coordinates": [[0, 0], [1, 1], [2, 0]]},
                ],
            },
            "LineString",
        ),
        (
            {
                "type": "CurvePolygon",
                "geometries": [{"type": "CircularString", "coordinates": [[0, 0], [1, 1], [2, 0], [1, -1], [0, 0]]}],
            },
            "Polygon",
        ),
        (
            {"type": "MultiCurve", "geometries": [{"type": "CircularString", "coordinates": [[0, 0], [1, 1], [2, 0]]}]},
            "MultiLineString",
        ),
        ({"type": "MultiSurface", "geometries": [{"type": "Polygon", "coordinates": [SQUARE]}]}, "MultiPolygon"),
    ],
    ids=lambda each: each if isinstance(each, str) else each["type"],
)
def test_curves_become_lines_and_are_counted(read: Reader, tmp_path: Path, place: Any, kind: str) -> None:
    got = read(written(tmp_path, feature(place), coordRefSys="[EPSG:25832]"), "JSON-FG")
    assert got.geometries[0].geom_type == kind
    assert got.counts == {"a": {"linearized": 1}}


def test_measures_are_dropped_and_counted(read: Reader, tmp_path: Path) -> None:
    line = {"type": "LineString", "coordinates": [[0, 0, 5], [1, 1, 6]], "measures": {"enabled": True}}
    got = read(written(tmp_path, feature(line), coordRefSys="[EPSG:25832]"), "JSON-FG")
    assert (got.geometries[0].wkt, got.counts) == ("LINESTRING (0 0, 1 1)", {"a": {"m_dropped": 1}})


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"place": {"type": "Prism", "base": {"type": "Polygon", "coordinates": [SQUARE]}, "upper": 9}}, "geometry_lost"),
        (
            {"place": {"type": "Prism", "base": {"type": "CircularString", "coordinates": []}, "lower": 0, "upper": 9}},
            "unknown_geometry_type",
        ),
        ({"place": {"type": "Torus", "coordinates": []}}, "unknown_geometry_type"),
        ({"place": "Hamburg"}, "damaged_geometry"),
        ({"place": {"type": "Point", "coordinates": [1, 2, 3, 4]}}, "damaged_geometry"),
        ({"place": {"type": "Point", "coordinates": ["1", 2]}}, "damaged_geometry"),
        ({"place": {"type": "LineString", "coordinates": [[1, 2], [1, 2, 3]]}}, "damaged_geometry"),
        ({"place": {"type": "Polyhedron", "coordinates": [[[SQUARE]]]}}, "damaged_geometry"),
        ({"place": {"type": "GeometryCollection", "geometries": [UTM | {"coordRefSys": "[EPSG:25833]"}]}}, "damaged_geometry"),
        ({"place": UTM, "coordRefSys": "[EPSG:999999]"}, "unknown_crs"),
        ({"place": UTM, "coordRefSys": {"type": "local"}}, "unknown_crs"),
        ({"featureType": 7}, "damaged"),
        ({"properties": []}, "damaged"),
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_refused(refused: Refuser, tmp_path: Path, members: dict[str, Any], code: str) -> None:
    problem = refused(written(tmp_path, feature(), feature(**members)), "JSON-FG")
    assert (problem.code, problem.where) == (code, "files[0]: feature 2")


def test_what_the_remedy_says_helps(read: Reader, tmp_path: Path) -> None:
    path = written(tmp_path, feature({"type": "Torus"}, LON_LAT))
    assert read(path, "JSON-FG", geometry="geometry").geometries == [shapely.Point(11.9985, 49.6367)]


def test_a_single_feature_and_foreign_members(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonfg"
    path.write_text(json.dumps(feature(UTM, coordRefSys="[EPSG:25832]", note="x", featureType="t")))
    got = read(path, "JSON-FG")
    assert (list(got.tables), got.table.num_rows) == (["t"], 1)
    assert [warning.code for warning in got.warnings] == ["members_not_read"]
    path.write_text('{"type": "Topology"}')
    assert refused(path, "JSON-FG").code == "format_mismatch"


def test_a_geometry_by_itself(read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    curve = {"type": "CircularString", "coordinates": [[0, 9], [1, 8], [2, 9]], "coordRefSys": "[EPSG:31468]"}
    path.write_text(json.dumps(curve))
    assert format_of(path).name == "JSON-FG"
    got = read(path, "JSON-FG")
    assert (got.layer.crs.name, got.table.num_rows) == ("EPSG:31468", 1)
    assert got.geometries[0].bounds == pytest.approx((8, 0, 9, 2), abs=0.001)


def test_declared_as_geojson(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    """GeoJSON knows the geometry, which is a fallback, and says what it leaves out."""
    path = written(tmp_path, feature(UTM, LON_LAT), coordRefSys="[EPSG:25832]")
    got = read(path, "GeoJSON")
    assert got.geometries == [shapely.Point(11.9985, 49.6367)]
    assert [warning.code for warning in got.warnings] == ["members_not_read"]
    assert 'Write "format": "JSON-FG"' in refused(written(tmp_path, feature(UTM)), "GeoJSON").remedy
    assert 'Write "format": "JSON-FG"' in refused(path, "KML").remedy


def test_features_of_one_type_without_a_feature(read: Reader, tmp_path: Path) -> None:
    got = read(written(tmp_path, featureType="empty"), "JSON-FG")
    assert {name: table.num_rows for name, table in got.tables.items()} == {"empty": 0}
