"""Times arrive with their zone, or without, and with every digit; where they do not agree, it is said."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyogrio
import pytest
import shapely

from libs.models import Problem
from libs.spatial_utils.worker.formats.geojson.profile import GeoJSONProfile
from libs.spatial_utils.worker.formats.geojson.source import Source
from tests.integration.reading.writing import collection

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]


def test_times_keep_their_zone_or_their_lack_of_one(read: Reader, tmp_path: Path) -> None:
    got = read(
        collection(
            tmp_path / "a.geojson",
            {
                "properties": {
                    "utc": "2024-05-01T10:00:00Z",
                    "east": "2024-05-01T10:00:00.250+05:45",
                    "naive": "2024-05-01T10:00:00",
                    "t": "10:11:12",
                }
            },
        ),
        "GeoJSON",
    )
    assert dict(got.layer.columns) == {
        "utc": "timestamp[ms, tz=UTC]", "east": "timestamp[ms, tz=+05:45]", "naive": "timestamp[ms]", "t": "time32[ms]",
    }  # fmt: skip
    row = got.table.to_pylist()[0]
    assert row["utc"] == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert row["east"] == datetime(2024, 5, 1, 10, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    assert row["naive"] == datetime(2024, 5, 1, 10)  # noqa: DTZ001 - that is the point


def test_several_time_zones_stay_as_text_with_a_warning(read: Reader, tmp_path: Path) -> None:
    times = ["2024-05-01T10:00:00Z", "2024-05-01T10:00:00+02:00"]
    got = read(collection(tmp_path / "a.geojson", *({"properties": {"t": time}} for time in times)), "GeoJSON")
    assert got.table.column("t").to_pylist() == times
    assert [warning.code for warning in got.warnings] == ["mixed_time_zones"]


@pytest.mark.parametrize(
    "times",
    [
        ["2024-05-01T10:00:00", "2024-05-01T10:00:00+02:00"],
        ["2024-03-01", "2024-07-01T10:00:00Z"],
        ["2024-07-01T10:00:00", "2024-03-01"],
    ],
)
def test_times_and_dates_that_do_not_agree_stay_as_they_are(read: Reader, tmp_path: Path, times: list[str]) -> None:
    """GDAL would drop the zone, or make midnight of a date."""
    got = read(collection(tmp_path / "a.geojson", *({"properties": {"t": time, "u": "2024-05-01"}} for time in times)), "GeoJSON")
    assert got.table.column("t").to_pylist() == times
    assert got.layer.columns == (("t", "string"), ("u", "date32[day]"))
    assert [warning.code for warning in got.warnings] == ["mixed_time_zones"]


def test_microseconds_are_not_cut(read: Reader, tmp_path: Path) -> None:
    """GDAL counts milliseconds."""
    rows = [
        {"t": "2024-05-01T10:00:00.123456", "z": "2024-05-01T10:00:00.5+02:00", "d": "2024-05-01", "s": "x", "n": None},
        {"t": None, "z": "2024-05-01T10:00:00+02:00", "d": None, "s": "2024-05-01T10:00:00", "n": None},
    ]
    got = read(collection(tmp_path / "a.geojson", *({"properties": row} for row in rows)), "GeoJSON")
    assert dict(got.layer.columns) == {
        "t": "timestamp[us]",
        "z": "timestamp[ms, tz=+02:00]",
        "d": "date32[day]",
        "s": "string",
        "n": "string",
    }
    assert got.table.column("t").to_pylist() == [datetime(2024, 5, 1, 10, 0, 0, 123_456), None]  # noqa: DTZ001 - it has no zone


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2024-05-01T10:00Z", "timestamp[ms, tz=UTC]"),
        ("2024/05/01 10:00Z", "timestamp[ms, tz=UTC]"),
        (" 2024-05-01T10:00:00Z ", "timestamp[ms, tz=UTC]"),
        ("2024-05-01T10:00:00+02:07", "timestamp[ms, tz=+02:07]"),
        *(
            (text, "string")
            for text in (
                "2024-05-01 10:00:00 UTC",
                "2024-05-01T10:00 GMT",
                "2024-05-01T10:00:00z",
                "2024-05-01T10:00:00,5Z",
                "2024-05-01 10:00:00 The lid was open",
                "2024-05-01T10:00:00+02:00 or later",
                "24-05-01T10:00:00",
                "2024-05-01Z",
                "10:00:00Z",
                "10:00:00 to 11:00:00",
                "10:00:00.123456",
                "2023-02-30",
                "2023-02-29",
                "1900-02-29",
                "2023/04/31",
                "2023-04-31T10:00:00Z",
                "2016-12-31T23:59:60Z",
                "2024-05-01T24:00:00Z",
                "10:00:60",
                "24:00:00",
            )
        ),
    ],
)
def test_what_gdal_would_cut_off_a_time_is_kept(read: Reader, tmp_path: Path, text: str, kind: str) -> None:
    rows = [{"t": text, "sure": "2024-05-01T10:00:00Z"}, {"t": None, "sure": "2024-05-01T11:00:00Z"}]
    got = read(collection(tmp_path / "a.geojson", *({"properties": row} for row in rows)), "GeoJSON")
    assert dict(got.layer.columns) == {"t": kind, "sure": "timestamp[ms, tz=UTC]"}
    value, _ = got.table["t"].to_pylist()
    assert value == (text if kind == "string" else datetime.fromisoformat(text.strip().replace("/", "-")))


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-29",
        "2000-02-29",
        "2024-12-31",
        "25:00:00",
        "2024-05-01T10:00:00.5Z",
        "2024-05-01T10:00:00+0530",
        "2024/05/01 10:00-11",
        "2024-05-01T10:00",
    ],
)
def test_times_that_gdal_reads_whole_are_left_to_it(tmp_path: Path, text: str) -> None:
    path = collection(tmp_path / "a.geojson", {"properties": {"t": text, "d": "2024-05-01", "c": "10:00:00.25"}})
    assert not GeoJSONProfile.of(Source(path), "GeoJSON").exact_times


def waypoint(time: str) -> str:
    point = f'<wpt lat="47" lon="8"><time>{time}</time></wpt>'
    return f'<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1">{point}</gpx>'


def placemark(time: str) -> str:
    point = "<Point><coordinates>8,47</coordinates></Point>"
    mark = f"<Placemark>\n<TimeStamp><when> {time} </when></TimeStamp>{point}</Placemark>"
    return f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{mark}</Document></kml>'


TIMES_IN_XML = pytest.mark.parametrize(
    ("written", "kind", "column"), [(waypoint, "GPX", "time"), (placemark, "KML", "timestamp")], ids=["GPX", "KML"]
)


@TIMES_IN_XML
@pytest.mark.parametrize(
    "text",
    [
        *("2024-05-01T10:00Z", "2024-05-01  10:00:00", "2024-05-01T10:00:00 UTC", "2024-05", "1850", "May"),
        *("2024-13-01", "2023-02-29", "1900-02-29T10:00:00Z", "2024-04-31", "2024-05-01T25:00:00Z", "2024-05-01T24:00:00Z"),
    ],
)
def test_a_time_in_xml_that_would_become_another_is_a_problem(
    refused: Refuser, tmp_path: Path, written: Callable[[str], str], kind: str, column: str, text: str
) -> None:
    """GDAL passes over the zone, makes a day of a month, and nothing of a year."""
    path = tmp_path / f"{column}.{kind.lower()}"
    path.write_text(written(text), encoding="utf-8")
    problem = refused(path, kind)
    assert (problem.code, problem.where) == ("value_lost", f"files[0]: line {2 if kind == 'KML' else 1}")
    assert repr(text) in problem.message


@pytest.mark.parametrize("text", ["<k:when>2020</k:when>", '<when id="w">2020</when>', "<when><![CDATA[2020]]></when>"])
def test_other_spellings_of_a_time_in_kml(refused: Refuser, tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.kml"
    mark = placemark("x").replace("<kml", '<kml xmlns:k="http://www.opengis.net/kml/2.2"').replace("<when> x </when>", text)
    path.write_text(mark)
    assert refused(path, "KML").code == "value_lost"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2024-02-29", "date32[day]"),
        ("2024-05-01T10:00:00+05:45", "timestamp[ms, tz=+05:45]"),
        ("10:11:12", "time32[ms]"),
        ("2024-02-31", None),
        ("2024-13-01", None),
        ("25:00:00", None),
        ("2024-05-01T24:00:00Z", None),
        ("2024-05-01T10:00:00+02:07", None),
    ],
)
def test_a_time_in_gml_that_there_is_not(read: Reader, refused: Refuser, tmp_path: Path, text: str, kind: str | None) -> None:
    """GDAL takes a column for one of times by its looks, and makes another time or nothing of what is none."""
    path = tmp_path / "a.gml"
    member = '<g:featureMember><f>\n<t>{}</t><g:Point srsName="EPSG:4326"><g:pos>8 47</g:pos></g:Point></f></g:featureMember>'
    path.write_text(f'<g:FeatureCollection xmlns:g="http://www.opengis.net/gml">{member.format(text)}</g:FeatureCollection>')
    if kind is not None:
        assert dict(read(path, "GML").layer.columns)["t"] == kind
        return
    problem = refused(path, "GML")
    assert (problem.code, problem.where) == ("value_lost", "files[0]: line 2")
    assert repr(text) in problem.message


@TIMES_IN_XML
def test_times_in_xml(read: Reader, tmp_path: Path, written: Callable[[str], str], kind: str, column: str) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    for text in ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00.250+05:45", "2024-05-01T10:00:00.123456Z"):
        path.write_text(written(text), encoding="utf-8")
        got = read(path, kind)
        (value,) = (value for table in got.tables.values() if len(table) for value in table[column].to_pylist())
        whole = datetime.fromisoformat(text)
        assert value == whole.replace(microsecond=whole.microsecond // 1000 * 1000)
        assert [warning.code for warning in got.warnings] == ([] if value == whole else ["times_cut"])


def test_zones_survive_formats_whose_columns_do_not_declare_them(read: Reader, tmp_path: Path) -> None:
    moments = [datetime(2024, 5, 1, 10, tzinfo=UTC), None, datetime(2024, 5, 1, 11, 0, 0, 123_456, tzinfo=UTC)]
    table = pa.table(
        {"t": pa.array(moments, pa.timestamp("us", "UTC")), "geometry": pa.array([shapely.to_wkb(shapely.Point(1, 2))] * 3)}
    )
    for driver, name in (("FlatGeobuf", "a.fgb"), ("GML", "a.gml")):
        path = tmp_path / name
        pyogrio.write_arrow(table, path, driver=driver, geometry_name="geometry", geometry_type="Point", crs="EPSG:4326")
        got = read(path, driver)
        kind = got.table.schema.field("t").type
        assert kind.tz == "UTC"
        assert [value if value is None else value.replace(microsecond=0) for value in got.table.column("t").to_pylist()] == [
            value if value is None else value.replace(microsecond=0) for value in moments
        ]


@pytest.mark.parametrize("missing", [False, True])
def test_fine_times_in_a_flatgeobuf(read: Reader, tmp_path: Path, *, missing: bool) -> None:
    """GDAL's fast way keeps them. It is wrong where a geometry is missing, and the other way cuts them."""
    path = tmp_path / "a.fgb"
    when = pd.to_datetime(["2024-05-01 10:00:00.123+05:30"] * 2)
    frame = gpd.GeoDataFrame({"seen": when}, geometry=[shapely.Point(1, 2), None if missing else shapely.Point(1, 2)], crs=4326)
    frame.to_file(path, driver="FlatGeobuf", engine="pyogrio", SPATIAL_INDEX="NO")
    written = path.read_bytes()
    assert written.count(b"00.123+05:30") == 2
    path.write_bytes(written.replace(b"00.123+05:30", b"00.12345678Z"))
    got = read(path, "FlatGeobuf")
    nanoseconds = got.table["seen"].cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_pylist()
    assert [number % 1_000_000_000 for number in nanoseconds] == [123_000_000 if missing else 123_456_780] * 2
    assert [warning.code for warning in got.warnings] == (["times_cut"] if missing else [])
