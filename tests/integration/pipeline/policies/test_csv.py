"""Policies for rows of CSV."""

import csv as csv_module
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.pipeline.replay import replay
from libs.pipeline.verify import Finding, verify
from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import BAD, XY, csv, data, only_problem, rejects
from tests.sampling import examples

pytestmark = pytest.mark.integration


def csv_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv_module.reader(io.StringIO(text, newline=""), delimiter=delimiter)


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


def test_null_is_counted_and_said(platform: Platform) -> None:
    report = platform.ingest("b", csv(platform, BAD, on_bad_geometry="null"))
    asset = platform.asset("a")
    assert (report.status, asset.features, asset.changes.counts["bad_geometry_to_null"]) == ("success", 4, 3)
    assert data(platform, asset)["geom"].notna().sum() == 1
    assert "made_null" in [warning.code for warning in report.warnings]


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
