"""GeoJSON."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyogrio
import pytest

from tests.integration.reading.canaries.plain import collection, feature, shapes, still_lost, table

pytestmark = pytest.mark.integration

PROFILE, CHECKS = "formats/geojson/profile.py", "formats/geojson/checks.py"


def test_times_are_cut_to_milliseconds(tmp_path: Path) -> None:
    got = table(collection(tmp_path / "a.geojson", feature(t="2024-05-01T10:00:00.123456Z"))).column("t").to_pylist()
    still_lost(got == [datetime(2024, 5, 1, 10, 0, 0, 123000, UTC)], CHECKS, got)


def test_a_time_zone_is_lost_where_another_value_has_none(tmp_path: Path) -> None:
    """OSGeo/gdal#8460, OSGeo/gdal#11212: a column in Arrow has one time zone."""
    path = collection(tmp_path / "a.geojson", feature(t="2024-05-01T10:00:00+02:00"), feature(t="2024-05-01T10:00:00"))
    got = table(path).column("t").to_pylist()
    still_lost(got[0] == got[1], "values/times.py", got)


def test_a_text_ends_at_a_nul_character(tmp_path: Path) -> None:
    got = table(collection(tmp_path / "a.geojson", feature(t="a\0b"))).column("t").to_pylist()
    still_lost(got == ["a"], CHECKS, got)


def test_an_integer_of_20_digits_is_rounded(tmp_path: Path) -> None:
    got = table(collection(tmp_path / "a.geojson", feature(n=12345678901234567891))).column("n").to_pylist()
    still_lost(got != [12345678901234567891], CHECKS, got)


def test_integers_beside_fractions_are_rounded(tmp_path: Path) -> None:
    got = table(collection(tmp_path / "a.geojson", feature(n=9007199254740993), feature(n=0.5))).column("n").to_pylist()
    still_lost(got[0] != 9007199254740993, CHECKS, got)


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": ["8", "47"]},
        {"type": "LineString", "coordinates": [[8, 47], [None, 48]]},
        {"type": "MultiPoint", "coordinates": [[8, 47], ["x", 48]]},
    ],
    ids=lambda value: value["type"],
)
def test_coordinates_that_are_not_numbers_are_left_out(tmp_path: Path, geometry: dict[str, object]) -> None:
    """OSGeo/gdal#11990."""
    got = shapes(table(collection(tmp_path / "a.geojson", feature(geometry))))
    still_lost(got[0] is None or got[0].is_empty or got[0].geom_type == "MultiPoint", PROFILE, got)


def test_of_two_members_of_one_name_the_first_is_lost(tmp_path: Path) -> None:
    text = json.dumps(feature(a=1)).replace('"a": 1', '"a": 1, "a": 2')
    got = table(collection(tmp_path / "a.geojson", text))
    still_lost(got.column_names.count("a") == 1 and got.column("a").to_pylist() == [2], PROFILE, got.to_pydict())


def test_members_beside_the_properties_are_left_out(tmp_path: Path) -> None:
    """OSGeo/gdal#11515 gives an open option for them, which is off by default."""
    got = table(collection(tmp_path / "a.geojson", {**feature(a=1), "title": "x"})).column_names
    still_lost("title" not in got, PROFILE, got)


def test_what_is_not_a_feature_is_left_out_of_a_collection(tmp_path: Path) -> None:
    path = collection(tmp_path / "a.geojson", feature(a=1), {"type": "Point", "coordinates": [1, 2]})
    got = table(path)
    still_lost(got.num_rows == 1, PROFILE, got.to_pydict())


def test_a_crs_that_does_not_exist_is_read_as_4326(tmp_path: Path) -> None:
    path = collection(tmp_path / "a.geojson", feature(), crs={"type": "name", "properties": {"nam": "EPSG:25832"}})
    got = pyogrio.read_info(path)["crs"]
    still_lost(got == "EPSG:4326", "formats/geojson/named_crs.py", got)


@pytest.mark.filterwarnings("ignore")
def test_a_broken_line_of_a_sequence_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.geojsonl"
    lines = [json.dumps(feature(a=number)) for number in range(3)]
    path.write_text("\n".join([lines[0], lines[1][:-9], lines[2]]) + "\n")
    got = table(path)
    still_lost(got.num_rows == 2, "ogr/messages.py", got.to_pydict())


def test_an_id_that_is_an_integer_is_hidden(tmp_path: Path) -> None:
    got = table(collection(tmp_path / "a.geojson", {**feature(a=1), "id": 17})).column_names
    still_lost("id" not in got, PROFILE, got)


def test_a_geometry_of_an_unknown_type_is_missing(tmp_path: Path) -> None:
    got = shapes(table(collection(tmp_path / "a.geojson", feature({"type": "Arc", "coordinates": [[0, 0], [1, 1]]}))))
    still_lost(got == [None], "formats/geojson/other_json.py", got)
