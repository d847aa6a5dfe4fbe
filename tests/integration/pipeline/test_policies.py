"""Policies for bad rows: what is set aside lies beside the data, what became null is counted, and nothing gets lost."""

import csv as csv_module
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.models import Asset, FileRole, Report
from libs.pipeline.replay import replay
from libs.pipeline.verify import Finding, verify
from tests.integration.pipeline.conftest import Platform
from tests.sampling import examples

pytestmark = pytest.mark.integration

CASES = Path(__file__).parents[2] / "data" / "cases"
XY = {"x": "x", "y": "y"}
BAD = "id,x,y\n1,7.5,46.5\n2,7.6,46.x5\n3,NA,NA\n4,1.2.3,4.5.6\n"


def csv(platform: Platform, text: str, **more: Any) -> dict[str, Any]:
    return platform.entry(platform.put("in/a.csv", text), crs="EPSG:4326", options=XY, **more)


def rejects(platform: Platform, asset: Asset) -> pd.DataFrame:
    (file,) = [file for file in asset.files if file.role == FileRole.REJECTS]
    read = geopandas.read_parquet if asset.has_geometry else pd.read_parquet
    return read(platform.stack.lake.store.root / platform.stack.lake.key_of(file.uri))


def data(platform: Platform, asset: Asset) -> pd.DataFrame:
    (file,) = [file for file in asset.files if file.role == FileRole.DATA]
    return pq.read_table(platform.stack.lake.store.root / platform.stack.lake.key_of(file.uri)).to_pandas()


def csv_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv_module.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def only_problem(report: Report) -> Any:
    (problem,) = report.problems
    return problem


def test_without_a_policy_the_batch_is_rejected_and_the_remedy_names_the_way(platform: Platform) -> None:
    problem = only_problem(platform.ingest("b", csv(platform, BAD)))
    assert (problem.code, "data row" in problem.where) == ("csv_bad_geometry", True)
    assert '"on_bad_geometry": "set_aside"' in problem.remedy
    assert '"on_bad_geometry": "set_aside"' in problem.remedy


def test_bad_rows_are_set_aside_as_they_stand(platform: Platform) -> None:
    report = platform.ingest("b", csv(platform, BAD), on_bad_geometry="set_aside", max_set_aside=2)
    assert report.status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts["set_aside"]) == (2, 2)
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "reject_code", "id", "x", "y"]].to_numpy().tolist() == [
        [2, "csv_bad_geometry", "2", "7.6", "46.x5"], [4, "csv_bad_geometry", "4", "1.2.3", "4.5.6"],
    ]  # fmt: skip
    assert aside.crs.to_string() == "EPSG:4326"
    assert sorted(data(platform, asset)["id"]) == [1, 3]
    assert [warning.code for warning in report.warnings if warning.code == "set_aside"] == ["set_aside"]
    (lineage,) = [platform.stack.ledger.lineage("a", 1)]
    assert lineage.inputs[0].features == 4
    assert lineage.changes.counts["set_aside"] == 2


def test_a_name_that_stands_twice_keeps_both_its_raw_values(platform: Platform) -> None:
    text = "id,note,note,x,y\n1,a,b,7.5,46.5\n2,c,d,7.6,46.x5\n"
    report = platform.ingest("b", csv(platform, text), on_bad_geometry="set_aside", max_set_aside=1)
    assert report.status == "success", report.problems
    aside = rejects(platform, platform.asset("a"))
    assert aside.drop(columns="geom").to_numpy().tolist()[0][-5:] == ["2", "c", "d", "7.6", "46.x5"]


def test_one_bad_coordinate_does_not_hide_the_decimal_comma_of_the_others(platform: Platform) -> None:
    text = "id;x;y\n1;7,5;46,5\n2;7,6;46,x5\n3;7,7;46,7\n"
    report = platform.ingest("b", csv(platform, text), on_bad_geometry="set_aside", max_set_aside=1)
    assert report.status == "success", report.problems
    assert data(platform, platform.asset("a"))["bbox"].map(lambda box: (box["xmin"], box["ymin"])).tolist() == [
        (7.5, 46.5),
        (7.7, 46.7),
    ]


def test_such_a_version_is_verified_and_replayed(platform: Platform) -> None:
    platform.ingest("b", csv(platform, BAD), on_bad_geometry="set_aside", max_set_aside=0.5)
    assert {found.finding for found in verify(platform.stack)} == {Finding.INTACT}
    stack = platform.stack
    again = replay(stack, platform.asset("a"), stack.ledger.lineage("a", 1))
    assert (again.identical, sorted(file.name for file in again.files)) == (True, ["data.parquet", "rejects.parquet"])


RAGGED = (
    'id,x,y,note\r\n1,7.5,46.5,a\r\n2,7,5,46,5,"b; ""c""",d\r\n3,7.5\r\n4,7.6,46.6,"e\r\nf"\r\n'
    '"5\r\n",7.5,46.x\r\n6,7.7,46.7,g\r\n'
)


def test_rows_of_another_length_are_set_aside_with_all_that_they_hold(platform: Platform) -> None:
    problem = only_problem(platform.ingest("a", csv(platform, RAGGED)))
    assert (problem.code, "data row 2 " in problem.where) == ("csv_ragged", True)
    assert '"on_bad_value": "set_aside"' in problem.remedy
    report = platform.ingest("b", csv(platform, RAGGED), on_bad_value="set_aside", max_set_aside=3)
    assert report.status == "success", report.problems
    asset = platform.asset("a")
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "reject_code", "id", "x", "y", "note"]].fillna("-").to_numpy().tolist() == [
        [2, "csv_ragged", "2", "7", "5", '46,5,"b; ""c""",d'],
        [3, "csv_ragged", "3", "7.5", "-", "-"],
        [5, "csv_ragged", "5\r\n", "7.5", "46.x", "-"],
    ]
    assert "data row 5" not in str(aside["reject_message"])
    assert aside["geom"].isna().all()
    table = data(platform, asset)
    assert (table["id"].tolist(), table["id"].dtype, asset.changes.counts["set_aside"]) == ([1, 4, 6], "int64", 3)
    again = replay(platform.stack, asset, platform.stack.ledger.lineage("a", 1))
    assert again.identical


def test_short_rows_are_filled_up_with_null_and_long_ones_are_not(platform: Platform) -> None:
    short = 'id,x,y,a,b\n1,7.5,46.5,"",2\n2,7.6,46.6,""\n3,7.7,46.7\n'
    report = platform.ingest("a", csv(platform, short), on_bad_value="null")
    assert (report.status, platform.asset("a").changes.counts["bad_value_to_null"]) == ("success", 3)
    table = data(platform, platform.asset("a")).sort_values("id")
    assert (table["a"].fillna("-").tolist(), table["b"].fillna(0).tolist()) == (["", "", "-"], [2, 0, 0])
    assert len([warning for warning in report.warnings if warning.code == "made_null"]) == 2  # one for each column
    problem = only_problem(platform.ingest("b", csv(platform, short + "4,1,2,3,4,5\n"), on_bad_value="null"))
    assert (problem.code, "data row 4 " in problem.where) == ("csv_ragged", True)
    assert '"on_bad_value": "set_aside"' in problem.remedy
    assert '"on_bad_value": "null"' not in problem.remedy


def test_a_short_row_without_its_coordinate_has_a_bad_geometry(platform: Platform) -> None:
    problem = only_problem(platform.ingest("a", csv(platform, "id,x,y\n1,7.5,46.5\n2,7.6\n"), on_bad_value="null"))
    assert (problem.code, "data row 2 " in problem.where) == ("csv_bad_geometry", True)
    report = platform.ingest("b", csv(platform, "id,x,y\n1,7.5,46.5\n2,7.6\n"), on_bad_value="null", on_bad_geometry="null")
    assert report.status == "success"
    assert platform.asset("a").changes.counts == {"bad_geometry_to_null": 1, "bad_value_to_null": 1}


def test_a_quote_that_is_never_closed_is_no_row_to_be_set_aside(platform: Platform) -> None:
    text = 'id,x,y\n1,7.5,46.5\n2,"7.6,46.6\n3,7.7,46.7\n'
    problem = only_problem(platform.ingest("a", csv(platform, text), on_bad_value="set_aside", max_set_aside=9))
    assert problem.code == "csv_open_quote"


@pytest.mark.parametrize("policy", ["set_aside", "null"])
def test_an_encoding_is_found_out_although_a_row_is_short(platform: Platform, policy: str) -> None:
    text = "name,x,y\nMünchen,11.6,48.1\nKöln\nZürich,8.5,47.4\n".encode("cp1252")
    entry = platform.entry(platform.put("in/a.csv", text), crs="EPSG:4326", options=XY)
    assert platform.ingest("a", entry, on_bad_value=policy).status == "success"
    names = [*data(platform, platform.asset("a"))["name"]]
    if policy == "set_aside":
        names += [*rejects(platform, platform.asset("a"))["name"]]
    assert sorted(names) == ["Köln", "München", "Zürich"]


@pytest.mark.parametrize("policy", ["set_aside", "null"])
def test_all_rows_of_a_file_may_have_another_length(platform: Platform, policy: str) -> None:
    entry = platform.entry(platform.put("in/a.csv", "id,a,b\n" + "1\n" * 70_000), type="tabular")
    assert platform.ingest("a", entry, on_bad_value=policy, max_set_aside="100%").status == "success"
    asset = platform.asset("a")
    assert asset.features == (0 if policy == "set_aside" else 70_000)
    assert asset.changes.counts == ({"set_aside": 70_000} if policy == "set_aside" else {"bad_value_to_null": 140_000})


@settings(
    max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    rows=st.lists(st.lists(st.sampled_from(["1", "", '"a,b"', '"x\n""y"', '""', "NA"]), min_size=1, max_size=6), max_size=20),
    delimiter=st.sampled_from([",", ";"]),
)
def test_every_row_of_any_length_is_somewhere(
    open_platform: Callable[..., Platform], tmp_path_factory: Any, rows: list[list[str]], delimiter: str
) -> None:
    platform = open_platform(spatial_etl_home=tmp_path_factory.mktemp("home"))
    text = "".join(delimiter.join([str(number), *cells]) + "\n" for number, cells in enumerate(rows))
    entry = platform.entry(platform.put("in/a.csv", delimiter.join(["id", "a", "b", "c"]) + "\n" + text), type="tabular")
    report = platform.ingest("a", entry, on_bad_value="set_aside", max_set_aside=1.0)
    assert report.status == "success", report.problems
    asset = platform.asset("a")
    ragged = [number for number, cells in enumerate(rows) if len(cells) != 3]
    aside = rejects(platform, asset) if ragged else pd.DataFrame({"id": [], "reject_feature": []})
    assert aside["id"].astype(int).tolist() == ragged == [number - 1 for number in aside["reject_feature"]]
    assert data(platform, asset)["id"].astype(int).tolist() == [number for number in range(len(rows)) if number not in ragged]
    for number, raw in zip(ragged, aside.to_dict("records"), strict=True):
        plain = [cell[1:-1].replace('""', '"') if cell.startswith('"') else cell for cell in rows[number]]
        said = [raw[name] if isinstance(raw[name], str) else "" for name in "abc"]
        assert said[:2] == [*plain, "", ""][:2]
        assert said[2] == "" if len(plain) < 3 else next(csv_rows(said[2], delimiter)) == plain[2:]


def test_more_than_a_share_is_another_file(platform: Platform) -> None:
    rows = "".join(f"{n},7.{n},{'?1' if n < 20 else 46}\n" for n in range(1, 1001))
    problem = only_problem(platform.ingest("b", csv(platform, "id,x,y\n" + rows), on_bad_geometry="set_aside"))
    assert problem.code == "too_many_set_aside"
    assert "19 of 1,000 features would be set aside; 10 are allowed" in problem.message
    assert '"max_set_aside": 19' in problem.remedy
    for name, most in {"c": 19, "d": "1.9%", "e": 0.019}.items():
        report = platform.ingest(name, csv(platform, "id,x,y\n" + rows), on_bad_geometry="set_aside", max_set_aside=most)
        assert report.status == "success"
    problem = only_problem(
        platform.ingest("f", csv(platform, "id,x,y\n" + rows), on_bad_geometry="set_aside", max_set_aside="1.8 %")
    )
    assert problem.code == "too_many_set_aside"


def test_null_is_counted_and_said(platform: Platform) -> None:
    report = platform.ingest("b", csv(platform, BAD, on_bad_geometry="null"))
    asset = platform.asset("a")
    assert (report.status, asset.features, asset.changes.counts["bad_geometry_to_null"]) == ("success", 4, 3)
    assert data(platform, asset)["geom"].notna().sum() == 1
    assert "made_null" in [warning.code for warning in report.warnings]


def test_a_file_wins_over_the_batch(platform: Platform) -> None:
    report = platform.ingest("b", csv(platform, BAD, on_bad_geometry="reject"), on_bad_geometry="set_aside")
    assert only_problem(report).code == "csv_bad_geometry"


@pytest.fixture
def own_recipe(tmp_path: Path, open_platform: Callable[..., Platform]) -> Callable[[str], Platform]:
    """A platform whose recipe ``mine`` has some policies."""

    def own_recipe(policies: str) -> Platform:
        (tmp_path / "own").mkdir()
        (tmp_path / "own" / "mine.yaml").write_text(f"name: mine\ndescription: As it is.\n{policies}")
        return open_platform(spatial_etl_recipes=tmp_path / "own")

    return own_recipe


def test_a_recipe_has_policies_that_its_lineage_keeps(own_recipe: Any, open_platform: Callable[..., Platform]) -> None:
    platform = own_recipe("on_bad_geometry: set_aside\nmax_set_aside: 2\n")
    assert platform.ingest("b", csv(platform, BAD), intent="mine").status == "success"
    assert platform.asset("a").changes.counts["set_aside"] == 2
    lineage = platform.stack.ledger.lineage("a", 1)
    assert (lineage.recipe["on_bad_geometry"], lineage.recipe["max_set_aside"]) == ("set_aside", 2)
    stack = open_platform().stack  # where nobody has the recipe any more
    assert replay(stack, platform.asset("a"), lineage).identical


def test_a_recipe_without_policies_is_recorded_as_ever(platform: Platform) -> None:
    assert platform.ingest("b", csv(platform, "id,x,y\n1,7.5,46.5\n")).status == "success"
    assert [*platform.stack.ledger.lineage("a", 1).recipe] == ["name", "description", "parameters", "steps", "arguments"]


def test_file_wins_over_batch_over_recipe(own_recipe: Any) -> None:
    platform = own_recipe("on_bad_geometry: set_aside\nmax_set_aside: 2\n")
    report = platform.ingest("b", csv(platform, BAD), intent="mine", on_bad_geometry="null")
    assert (report.status, platform.asset("a").changes.counts) == (
        "success",
        {"bad_geometry_to_null": 3, "coordinates_missing": 2},
    )
    report = platform.ingest("c", csv(platform, BAD, on_bad_geometry="reject"), intent="mine", on_bad_geometry="null")
    assert only_problem(report).code == "csv_bad_geometry"
    report = platform.ingest("d", csv(platform, BAD, max_set_aside=1), intent="mine", max_set_aside=2)
    problem = only_problem(report)
    assert (problem.code, '"max_set_aside": 2 in the manifest' in problem.remedy) == ("too_many_set_aside", True)


def test_policies_of_a_recipe_hold_for_its_steps(own_recipe: Any) -> None:
    platform = own_recipe("steps: [{op: cast, columns: {n: int32}}]\non_bad_value: null\n")
    report = platform.ingest("b", csv(platform, "id,x,y,n\n1,7.5,46.5,1\n2,7.5,46.5,two\n"), intent="mine")
    assert report.status == "success"
    assert platform.asset("a").features == 2
    assert data(platform, platform.asset("a"))["n"].isna().sum() == 1


def test_a_policy_that_is_none(platform: Platform) -> None:
    report = platform.ingest("b", csv(platform, BAD), on_bad_value="fix", max_set_aside=-1, on_bad_text="drop")
    assert {problem.where.split(".")[0] for problem in report.problems} == {"on_bad_value", "on_bad_text", "max_set_aside"}


@pytest.mark.parametrize(("policy", "features", "count"), [("set_aside", 1, "set_aside"), ("null", 2, "bad_value_to_null")])
def test_a_day_that_does_not_exist(platform: Platform, policy: str, features: int, count: str) -> None:
    path = platform.put("in/dates_invalid.shp", CASES / "dates_invalid.shp")
    entry = platform.entry(path, crs="EPSG:4326")
    assert only_problem(platform.ingest("a", entry)).code == "value_lost"
    assert platform.ingest("b", entry, on_bad_value=policy).status == "success"
    asset = platform.asset("dates_invalid")
    assert (asset.features, asset.changes.counts[count]) == (features, 1)
    if policy == "set_aside":
        aside = rejects(platform, asset)
        assert (aside["D"].tolist(), aside["reject_feature"].tolist(), aside.geometry.notna().all()) == (["20231301"], [2], True)
    else:
        assert data(platform, asset)["D"].isna().sum() == 1


@pytest.mark.parametrize(
    ("policy", "names", "count"),
    [
        ("set_aside", ["Hamburg"], "set_aside"),
        ("null", ["Hamburg", None], "bad_text_to_null"),
        ("fix", ["Hamburg", "M\ufffdnchen"], "text_replaced"),
    ],
)
def test_text_that_cannot_be_decoded(
    platform: Platform, tmp_path: Path, policy: str, names: list[str | None], count: str
) -> None:
    frame = geopandas.GeoDataFrame(
        {"name": ["Hamburg", "Munchen"]}, geometry=geopandas.points_from_xy([10, 11], [53, 48]), crs=4326
    )
    frame.to_file(tmp_path / "a.shp", encoding="UTF-8")
    dbf = tmp_path / "a.dbf"
    dbf.write_bytes(dbf.read_bytes().replace(b"Munchen", b"M\xfcnchen"))
    entry = platform.entry(platform.put("in/a.shp", tmp_path / "a.shp"))
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_text": "set_aside"' in problem.remedy) == ("wrong_encoding", True)
    assert platform.ingest("b", entry, on_bad_text=policy).status == "success"
    asset = platform.asset("a")
    assert asset.changes.counts[count] == 1
    found = [name if isinstance(name, str) else None for name in data(platform, asset)["name"]]
    assert sorted(found, key=str) == sorted(names, key=str)
    if policy == "set_aside":
        assert rejects(platform, asset)["name"].tolist() == [r"M\xfcnchen"]


def test_a_name_that_was_cut_within_a_character(platform: Platform) -> None:
    path = platform.put("in/utf8_truncated_fieldname.shp", CASES / "utf8_truncated_fieldname.shp")
    report = platform.ingest("a", platform.entry(path))
    assert report.status == "success"
    assert "column_name_cut" in {warning.code for warning in report.warnings}
    assert "Straßenl" in [field.name for field in platform.asset("utf8_truncated_fieldname").table_schema]


COORDINATES = st.sampled_from(["7.5", "46", "1e1", "x7", "4.5.6", "7°", "", "NA"])


@settings(
    max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    rows=st.lists(st.tuples(COORDINATES, COORDINATES), min_size=1, max_size=30),
    policy=st.sampled_from(["set_aside", "null", "reject"]),
)
def test_every_feature_is_somewhere(
    open_platform: Callable[..., Platform], tmp_path_factory: Any, rows: Any, policy: str
) -> None:
    """Features in the file = those in the data + those set aside."""
    home = tmp_path_factory.mktemp("home")
    platform = open_platform(spatial_etl_home=home)
    text = "id,x,y\n" + "".join(f"{n},{x},{y}\n" for n, (x, y) in enumerate(rows))
    report = platform.ingest("b", csv(platform, text), on_bad_geometry=policy, max_set_aside=1.0)
    if report.status != "success":
        assert policy == "reject"
        return
    asset = platform.asset("a")
    aside = rejects(platform, asset)["id"].astype(int).tolist() if asset.changes.counts.get("set_aside") else []
    kept = data(platform, asset)["id"].tolist()
    assert sorted([*kept, *aside]) == list(range(len(rows)))
    assert len(aside) == asset.changes.counts.get("set_aside", 0)
    assert policy != "null" or not aside
    assert json.loads(asset.model_dump_json())["summary"]["features"] == len(kept)


def collection(*geometries: Any) -> str:
    features = [
        {"type": "Feature", "properties": {"id": number}, "geometry": geometry} for number, geometry in enumerate(geometries)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


POINT = {"type": "Point", "coordinates": [7.5, 46.5]}
NO_VERTEX = {"type": "LineString", "coordinates": [[7, 46], [None, None], None, [8, 47]]}
WORDS = {"type": "Point", "coordinates": ["east", "north"]}
UNKNOWN = {"type": "Prism", "base": POINT}
UNCLOSED = {"type": "Polygon", "coordinates": [[[7, 46], [8, 46], [8, 47], [7, 47]]]}


def ids(frame: pd.DataFrame) -> list[int]:
    return sorted(map(int, frame["id"]))


@pytest.mark.parametrize(
    ("geometry", "code"), [(NO_VERTEX, "damaged_geometry"), (WORDS, "damaged_geometry"), (UNKNOWN, "unknown_geometry_type")]
)
def test_a_geometry_of_geojson_that_cannot_be_read(platform: Platform, geometry: Any, code: str) -> None:
    entry = platform.entry(platform.put("in/a.geojson", collection(POINT, geometry, None, POINT)))
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == (code, True)
    assert platform.ingest("b", entry, on_bad_geometry="set_aside").status == "success"
    asset = platform.asset("a")
    assert (ids(data(platform, asset)), asset.changes.counts["set_aside"]) == ([0, 2, 3], 1)
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "reject_code", "id"]].to_numpy().tolist() == [[2, code, "1"]]
    assert platform.ingest("c", entry, on_bad_geometry="null").status == "success"
    asset = platform.asset("a")
    assert asset.changes.counts["bad_geometry_to_null"] == 1
    assert data(platform, asset)["geom"].isna().sum() == 2


PAGE = '<html><script>var a = {"type": "FeatureCollection", "features": [%s]};</script></html>'
TOPOLOGY = '{"type": "Topology", "arcs": [], "objects": {"a": {"type": "GeometryCollection", "geometries": [%s]}}}'
PARSED_FEATURE = '{"type": "Feature", "properties": {"n": %d}, "geometry": {"type": "Point", "coordinates": %s}}'
PARSED_POINT = '{"type": "Point", "properties": {"n": %d}, "coordinates": %s}'


@pytest.mark.parametrize(
    ("name", "format_", "whole", "one"),
    [
        ("a.html", "HTML", PAGE, PARSED_FEATURE),
        ("a.json", "TopoJSON", TOPOLOGY, PARSED_POINT),
        ("a.json", "JSON-FG", '{"conformsTo": [], "type": "FeatureCollection", "features": [%s]}', PARSED_FEATURE),
    ],
)
def test_a_damaged_geometry_of_what_is_parsed_without_gdal(
    platform: Platform, name: str, format_: str, whole: str, one: str
) -> None:
    text = whole % ", ".join(one % row for row in [(1, "[7.5, 46.5]"), (2, '["7", 46]'), (3, "[7.7, 46.7]")])
    entry = platform.entry(platform.put(f"in/{name}", text), format=format_)
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == ("damaged_geometry", True)
    assert platform.ingest("b", entry, on_bad_geometry="set_aside", max_set_aside=1).status == "success"
    (asset,) = platform.stack.ledger.assets()
    assert rejects(platform, asset)[["reject_feature", "reject_code", "n"]].to_numpy().tolist() == [[2, "damaged_geometry", "2"]]
    assert sorted(data(platform, asset)["n"]) == [1, 3]
    report = platform.ingest("c", entry | {"dataset_id": "nulls"}, on_bad_geometry="null")
    assert (report.status, data(platform, platform.asset("nulls"))["geom"].notna().sum()) == ("success", 2)


def test_a_place_of_georss_that_cannot_be_read(platform: Platform) -> None:
    items = "".join(
        f"<item><title>{n}</title><georss:point>{at}</georss:point></item>"
        for n, at in enumerate(["46.5 7.5", "46.5;7", "46.7 7.7"])
    )
    text = f'<rss version="2.0" xmlns:georss="http://www.georss.org/georss"><channel><title>a</title>{items}</channel></rss>'
    entry = platform.entry(platform.put("in/a.xml", text), format="GeoRSS")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == ("bad_coordinate", True)
    assert platform.ingest("b", entry, on_bad_geometry="set_aside", max_set_aside=1).status == "success"
    assert rejects(platform, platform.asset("a"))[["reject_feature", "title"]].to_numpy().tolist() == [[2, "1"]]
    assert len(data(platform, platform.asset("a"))) == 2


def test_an_empty_vertex_is_dropped(platform: Platform) -> None:
    entry = platform.entry(platform.put("in/a.geojson", collection(POINT, NO_VERTEX)))
    assert platform.ingest("a", entry, on_bad_geometry="fix").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts["vertices_dropped"]) == (2, 2)
    assert "LINESTRING (7 46, 8 47)" in {shape.wkt for shape in geopandas.GeoSeries.from_wkb(data(platform, asset)["geom"])}


def test_what_has_no_standard_fix_is_still_a_problem(platform: Platform) -> None:
    entry = platform.entry(platform.put("in/a.geojson", collection(POINT, WORDS)))
    problem = only_problem(platform.ingest("a", entry, on_bad_geometry="fix"))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == ("damaged_geometry", True)


WKT = 'id,wkt\n1,"POLYGON ((7 46, 8 46, 8 47, 7 47))"\n2,"POLYGON ((7 46, 8 46, 8 47, 7 46))"\n'


@pytest.mark.parametrize(("name", "text"), [("a.geojson", collection(UNCLOSED, POINT)), ("a.csv", WKT)])
def test_a_ring_is_closed(platform: Platform, name: str, text: str) -> None:
    more = {"crs": "EPSG:4326", "options": {"wkt": "wkt"}} if name.endswith("csv") else {}
    entry = platform.entry(platform.put(f"in/{name}", text), **more)
    report = platform.ingest("b", entry, on_bad_geometry="fix")
    assert report.status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts["rings_closed"]) == (2, 1)
    shapes = geopandas.GeoSeries.from_wkb(data(platform, asset)["geom"])
    assert max(shape.area for shape in shapes) == 1


GEOMETRIES = st.sampled_from([POINT, NO_VERTEX, WORDS, UNKNOWN, UNCLOSED, None, {"type": "Polygon", "coordinates": [None]}])


@settings(
    max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    geometries=st.lists(GEOMETRIES, min_size=1, max_size=20),
    policy=st.sampled_from(["set_aside", "null", "reject", "fix"]),
    lines=st.booleans(),
)
def test_every_feature_of_geojson_is_somewhere(
    open_platform: Callable[..., Platform], tmp_path_factory: Any, geometries: Any, policy: str, lines: bool
) -> None:
    """Features in the file = those in the data + those set aside, and the same bytes twice."""
    platform = open_platform(spatial_etl_home=tmp_path_factory.mktemp("home"))
    text = collection(*geometries)
    if lines:
        text = "\n".join(map(json.dumps, json.loads(text)["features"]))
    entry = platform.entry(platform.put(f"in/a.{'geojsonl' if lines else 'geojson'}", text))
    reports = [platform.ingest(name, entry, intent="raw", on_bad_geometry=policy, max_set_aside=1.0) for name in "bc"]
    bad = [geometry for geometry in geometries if geometry not in (POINT, None)]
    unfixable = [geometry for geometry in bad if geometry not in (NO_VERTEX, UNCLOSED)]
    refused = (policy == "reject" and bad) or (policy == "fix" and unfixable)
    assert [report.status for report in reports] == ["rejected" if refused else "success"] * 2
    if refused:
        return
    first, second = (platform.asset("a", version) for version in (1, 2))
    assert [file.sha256 for file in first.files] == [file.sha256 for file in second.files]
    aside = ids(rejects(platform, first)) if first.changes.counts.get("set_aside") else []
    kept = data(platform, first)
    assert sorted([*ids(kept), *aside]) == list(range(len(geometries)))
    assert len(aside) == first.changes.counts.get("set_aside", 0) == (len(bad) if policy == "set_aside" else 0)
    missing = geometries.count(None) + (len(bad) if policy == "null" else 0)
    assert ("geom" not in kept and missing == len(kept)) or kept["geom"].isna().sum() == missing


def test_an_empty_position_of_a_track_is_left_out(platform: Platform) -> None:
    entry = platform.entry(platform.put("in/track_empty_coord.kml", CASES / "track_empty_coord.kml"))
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "fix"' in problem.remedy) == ("bad_coordinate", True)
    assert platform.ingest("b", entry, on_bad_geometry="fix").status == "success"
    asset = platform.asset("track_empty_coord")
    assert (asset.features, asset.changes.counts["vertices_dropped"]) == (1, 1)
    (shape,) = geopandas.GeoSeries.from_wkb(data(platform, asset)["geom"])
    assert [position[:2] for position in shape.coords] == [(7.2, 46.2), (7.3, 46.3)]


@pytest.mark.parametrize("native", [False, True])
def test_a_damaged_geometry_of_geoparquet(platform: Platform, tmp_path: Path, native: bool) -> None:
    points = geopandas.points_from_xy([7.0, 8.0, 9.0, 10.0], [46.0] * 4)
    frame = geopandas.GeoDataFrame({"id": [0, 1, 2, 3]}, geometry=points, crs=4326)
    frame.to_parquet(tmp_path / "a.parquet", geometry_encoding="geoarrow" if native else "WKB")
    table = pq.read_table(tmp_path / "a.parquet")
    values = table.column("geometry").to_pylist()
    for row in (1, 2):
        values[row] = {"x": None, "y": 46.0} if native else values[row][:11]
    if native:
        coordinate = pa.struct([("x", pa.float64()), ("y", pa.float64())])
        geometry = pa.array(values, coordinate)
    else:
        geometry = pa.array(values, pa.binary())
    at = table.schema.get_field_index("geometry")
    metadata = table.schema.metadata
    table = table.set_column(at, "geometry", geometry).replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "b.parquet")
    entry = platform.entry(platform.put("in/b.parquet", tmp_path / "b.parquet"))
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == ("damaged_geometry", True)
    assert platform.ingest("b", entry, on_bad_geometry="set_aside", max_set_aside=2).status == "success"
    asset = platform.asset("b")
    assert (ids(data(platform, asset)), ids(rejects(platform, asset))) == ([0, 3], [1, 2])
    assert platform.ingest("c", entry, on_bad_geometry="null").status == "success"
    asset = platform.asset("b")
    assert (asset.features, asset.changes.counts["bad_geometry_to_null"]) == (4, 2)


@pytest.mark.parametrize(("policy", "features", "count"), [("set_aside", 2, "set_aside"), ("null", 3, "bad_value_to_null")])
def test_times_with_and_without_a_zone(platform: Platform, policy: str, features: int, count: str) -> None:
    document = json.loads(collection(POINT, POINT, POINT))
    for feature, time in zip(document["features"], ["2024-03-01", "2024-07-01T10:00:00Z", "2024-03-02T11:00:00"], strict=True):
        feature["properties"]["t"] = time
    entry = platform.entry(platform.put("in/a.geojson", json.dumps(document)))
    (warning,) = platform.ingest("a", entry).warnings
    assert (warning.code, '"on_bad_value": "set_aside"' in warning.remedy) == ("mixed_time_zones", True)
    assert data(platform, platform.asset("a"))["t"].tolist() == ["2024-03-01", "2024-07-01T10:00:00Z", "2024-03-02T11:00:00"]
    assert platform.ingest("b", entry, on_bad_value=policy).status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts[count]) == (features, 1)
    assert data(platform, asset)["t"].notna().sum() == 2
    if policy == "set_aside":
        aside = rejects(platform, asset)
        assert (aside["reject_feature"].tolist(), aside["reject_code"].tolist()) == ([2], ["mixed_time_zones"])
        assert aside["t"].tolist() == ["2024-07-01T10:00:00Z"]


def test_a_damaged_geometry_of_a_geopackage(platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    points = geopandas.points_from_xy([7.0, 8.0, 9.0, 10.0], [46.0] * 4)
    geopandas.GeoDataFrame({"id": [0, 1, 2, 3]}, geometry=points, crs=4326).to_file(path)
    with closing(sqlite3.connect(path)) as database:
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{trigger}"')
        for row in (2, 3):
            ((blob,),) = database.execute("SELECT geom FROM a WHERE fid = ?", [row]).fetchall()
            database.execute("UPDATE a SET geom = ? WHERE fid = ?", [blob[:-8], row])
        database.commit()
    entry = platform.entry(platform.put("in/a.gpkg", path))
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == ("damaged_geometry", True)
    assert platform.ingest("b", entry, on_bad_geometry="set_aside", max_set_aside=2).status == "success"
    asset = platform.asset("a")
    assert (ids(data(platform, asset)), ids(rejects(platform, asset))) == ([0, 3], [1, 2])
    assert platform.ingest("c", entry, on_bad_geometry="null").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts["bad_geometry_to_null"]) == (4, 2)


def gpx(points: str, more: str = "") -> str:
    return f'<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">\n{points}{more}</gpx>'


def gml(*geometries: str) -> str:
    features = "".join(
        f"<gml:featureMember><a:road><a:id>{number}</a:id><a:geom>{geometry}</a:geom></a:road></gml:featureMember>\n"
        for number, geometry in enumerate(geometries)
    )
    head = '<gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml" xmlns:a="http://a">\n'
    return f"{head}{features}</gml:FeatureCollection>"


def gml_point(content: str, attributes: str = 'srsName="EPSG:25832"') -> str:
    return f"<gml:Point {attributes}>{content}</gml:Point>"


def gml_line(content: str) -> str:
    return f'<gml:LineString srsName="EPSG:25832">{content}</gml:LineString>'


GOOD_POINT = gml_point("<gml:pos>500000 5500000</gml:pos>")
GOOD_LINE = gml_line("<gml:posList>500000 5500000 500010 5500010</gml:posList>")


@pytest.mark.parametrize("place", ['lat="1,5" lon="7"', "lat='abc' lon='7'", 'lon="7"', 'lat="" lon="7"'])
def test_a_place_of_gpx_that_cannot_be_read(platform: Platform, place: str) -> None:
    points = [
        f"<wpt {at}><name>{number}</name></wpt>\n" for number, at in enumerate(['lat="1" lon="2"', place, 'lat="3" lon="4"'])
    ]
    entry = platform.entry(platform.put("in/a.gpx", gpx("".join(points))), format="GPX", dataset_id="a")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, problem.where) == ("bad_coordinate", "files[0]: line 3")
    assert '"on_bad_geometry": "set_aside" in the manifest' in problem.remedy
    assert platform.ingest("b", entry, on_bad_geometry="set_aside").status == "success"
    asset = platform.asset("a")
    assert (sorted(data(platform, asset)["name"]), asset.changes.counts) == (["0", "2"], {"set_aside": 1})
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "reject_code", "name"]].to_numpy().tolist() == [[2, "bad_coordinate", "1"]]
    assert platform.ingest("c", entry, on_bad_geometry="null").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts) == (3, {"bad_geometry_to_null": 1})


def test_a_track_with_a_bad_point_is_set_aside_as_the_point_is(platform: Platform) -> None:
    good, bad = '<trkpt lat="1" lon="2"/><trkpt lat="2" lon="2"/>', '<trkpt lat="1" lon="2"/><trkpt lat="1,5" lon="2"></trkpt>'
    tracks = "".join(f"<trk><name>{name}</name><trkseg>{track}</trkseg></trk>\n" for name, track in {"x": good, "y": bad}.items())
    entry = platform.entry(platform.put("in/a.gpx", gpx("", tracks)), format="GPX")
    assert platform.ingest("b", entry, on_bad_geometry="set_aside").status == "success"
    for layer, features, number in (("tracks", 1, 2), ("track_points", 3, 4)):
        asset = platform.asset(f"a.{layer}")
        assert (asset.features, asset.changes.counts) == (features, {"set_aside": 1})
        assert rejects(platform, asset)["reject_feature"].tolist() == [number]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (gml_point("<gml:pos>500000,5 5500000,5</gml:pos>"), "bad_coordinate"),
        (gml_point("<gml:pos>null null</gml:pos>"), "bad_coordinate"),
        (gml_point("<gml:coord><gml:X>abc</gml:X><gml:Y>5500000</gml:Y></gml:coord>"), "bad_coordinate"),
        (gml_point("<gml:pos>500000</gml:pos>"), "damaged_geometry"),
        (gml_point(""), "damaged_geometry"),
        (gml_line("<gml:posList>500000 5500000 500010</gml:posList>"), "damaged_geometry"),
        (gml_line("<gml:coordinates>500000,5500000 500010</gml:coordinates>"), "damaged_geometry"),
    ],
)
def test_positions_of_gml_that_cannot_be_read(platform: Platform, bad: str, code: str) -> None:
    good = GOOD_POINT if "Point" in bad else GOOD_LINE
    entry = platform.entry(platform.put("in/a.gml", gml(good, bad, good)), dataset_id="a")
    problem = only_problem(platform.ingest("a", entry))
    assert problem.code == code
    assert '"on_bad_geometry": "set_aside"' in problem.remedy
    assert platform.ingest("b", entry, on_bad_geometry="set_aside").status == "success"
    asset = platform.asset("a")
    assert (ids(data(platform, asset)), asset.changes.counts) == ([0, 2], {"set_aside": 1})
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "reject_code", "id"]].to_numpy().tolist() == [[2, code, "1"]]
    assert platform.ingest("c", entry, on_bad_geometry="null").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts) == (3, {"bad_geometry_to_null": 1})
    assert asset.geometry_types == (("Point",) if "Point" in bad else ("LineString",))


def test_positions_of_gml_whose_dimension_the_collection_says_are_not_set_aside(platform: Platform) -> None:
    box = "<gml:lowerCorner>0 0 0</gml:lowerCorner><gml:upperCorner>9 9 9</gml:upperCorner>"
    bounds = f'<gml:boundedBy><gml:Envelope srsName="EPSG:25832" srsDimension="3">{box}</gml:Envelope></gml:boundedBy>'
    line = "<gml:LineString><gml:posList>1 1 1 2 2 2 3 3 3</gml:posList></gml:LineString>"
    text = gml(line, gml_line("<gml:posList>1 x</gml:posList>"), line).replace('"http://a">', f'"http://a">{bounds}', 1)
    entry = platform.entry(platform.put("in/a.gml", text), dataset_id="a", crs="EPSG:25832")
    report = platform.ingest("b", entry, on_bad_geometry="set_aside", intent="raw")
    assert report.status == "success", report.problems
    assert ids(data(platform, platform.asset("a"))) == [0, 2]


def test_a_gml_with_a_schema_beside_it_has_no_way_by_policy_and_names_none(platform: Platform) -> None:
    platform.put("in/a.gfs", "<GMLFeatureClassList/>")
    entry = platform.entry(platform.put("in/a.gml", gml(GOOD_POINT, gml_point("<gml:pos>a b</gml:pos>"))), dataset_id="a")
    for name, policy in {"a": {}, "b": {"on_bad_geometry": "set_aside"}}.items():
        problem = only_problem(platform.ingest(name, entry, **policy))
        assert (problem.code, "set_aside" in problem.remedy) == ("bad_coordinate", False)


def test_a_cell_of_a_spreadsheet_with_an_error(platform: Platform, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["id", "x", "y", "n"], [1, 7.5, 46.5, 1], [2, 7.6, 46.6, "#DIV/0!"], [3, "#N/A", 46.7, 3]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    path = platform.put("in/a.xlsx", tmp_path / "a.xlsx")
    entry = platform.entry(path, format="XLSX", crs="EPSG:4326", options=XY, dataset_id="a")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_value": "set_aside"' in problem.remedy) == ("sheet_error_cell", True)
    report = platform.ingest("b", entry, on_bad_value="set_aside", max_set_aside=2)
    assert report.status == "success", report.problems
    asset = platform.asset("a")
    assert (ids(data(platform, asset)), asset.changes.counts) == ([1], {"set_aside": 2})
    assert {field.name: field.type for field in asset.table_schema}["n"] == "int64"
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "reject_code", "id", "x", "n"]].to_numpy().tolist() == [
        [2, "sheet_error_cell", "2", "7.6", "#DIV/0!"],
        [3, "sheet_error_cell", "3", "#N/A", "3"],
    ]
    assert platform.ingest("c", entry, on_bad_value="null", on_bad_geometry="null").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts) == (3, {"bad_value_to_null": 2, "bad_geometry_to_null": 1})
