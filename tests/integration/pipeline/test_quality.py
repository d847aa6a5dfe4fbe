"""Quality rules of batches: what they refuse, set aside and tell, and where that is recorded."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.models import FileRole, Report, Status
from libs.pipeline.replay import replay
from libs.pipeline.verify import verify

pytestmark = pytest.mark.integration

CSV = {"type": "tabular"}


def codes(report: Report) -> list[tuple[str, str]]:
    return [(problem.code, problem.where) for problem in report.problems]


def told(report: Report) -> list[str]:
    return [warning.message for warning in report.warnings if warning.code == "rule_failed"]


def table(platform: Any, name: str, *rows: str, **more: Any) -> dict[str, Any]:
    text = "\n".join(["id,plot,n", *rows]) + "\n"
    return platform.entry(platform.put(f"in/{name}.csv", text), **CSV, dataset_id=name, **more)


def test_what_rules_find_is_in_report_and_ledger(platform: Any) -> None:
    rules = [
        {"rule": "not_null", "column": "n", "severity": "set_aside"},
        {"rule": "unique", "columns": ["plot", "n"], "severity": "warn", "name": "no twins"},
        {"rule": "features", "min": 3},
    ]
    entry = table(platform, "a", "1,x,5", "2,x,", "3,x,5", "4,y,5", rules=[rules[0]])
    report = platform.ingest("b1", entry, rules=rules[1:], max_set_aside=1)
    assert (report.status, report.problems) == (Status.SUCCESS, ())
    asset = platform.asset("a")
    assert report.datasets[0].rules == asset.rules
    assert [(result.label, result.severity, result.failed) for result in asset.rules] == [
        ("not_null n", "set_aside", 1), ("no twins", "warn", 2), ("features", "reject", 0),
    ]  # fmt: skip
    assert asset.rules[0].said == "1 feature breaks it, the first: files[0]: layer a, feature 2."
    assert asset.rules[1].said == "1 value of 'plot', 'n' stand more than once, in 2 features: x, 5."
    assert asset.rules[2].said == "It has 3 features."
    assert asset.rules[1].rule == rules[1]
    assert told(report) == [f"Rule no twins: {asset.rules[1].said}"]
    (aside,) = [file for file in asset.files if file.role == FileRole.REJECTS]
    assert (asset.features, aside.features) == (3, 1)
    assert all(not each.finding.damages for each in verify(platform.stack))
    lineage = platform.stack.ledger.lineage("a", 1)
    assert replay(platform.stack, asset, lineage).identical


def test_a_rule_that_does_not_hold_leaves_nothing(platform: Any) -> None:
    entries = [table(platform, "a", "1,x,5", "1,x,6"), table(platform, "b", "1,x,5", "2,y,6")]
    report = platform.ingest("b1", *entries, rules=[{"rule": "unique", "columns": "id"}, {"rule": "features", "max": 1}])
    assert report.status is Status.REJECTED
    assert codes(report) == [("rule_failed", "dataset a"), ("rule_failed", "dataset a"), ("rule_failed", "dataset b")]
    assert platform.lies_in("lake") == []
    assert platform.transient() == []
    assert platform.stack.ledger.next_versions(["a"]) == {"a": 1}, "nothing was reserved"


def test_a_rule_of_features_names_the_first(platform: Any) -> None:
    report = platform.ingest(
        "b1", table(platform, "a", "1,x,5", "2,x,500"), rules=[{"rule": "in_range", "column": "n", "max": 9}]
    )
    assert codes(report) == [("rule_failed", "files[0]: layer a, feature 2")]
    assert report.problems[0].message == "rule in_range n: the feature has a value of 'n' that is more than 9."
    assert "'set_aside'" in report.problems[0].remedy


def test_more_set_aside_than_allowed(platform: Any) -> None:
    entry = table(platform, "a", *[f"{n},x,{n}" for n in range(300)])
    rule = {"rule": "in_range", "column": "n", "max": 280, "severity": "set_aside"}
    report = platform.ingest("b1", entry, rules=[rule])
    assert codes(report) == [("too_many_set_aside", "dataset a")]
    assert "19 of 300" in report.problems[0].message


def test_foreign_keys(platform: Any) -> None:
    plots = platform.entry(platform.put("in/plots.csv", "plot,area\nx,1\ny,2\n"), **CSV, dataset_id="plots")
    rule = {"rule": "foreign_key", "columns": "plot", "dataset": "plots"}
    rows = table(platform, "a", "1,x,5", "2,z,6", "3,,7", "4,z,7", "5,w,7")
    missing = platform.ingest("b1", rows, rules=[rule])
    assert codes(missing) == [("bad_rule", "dataset a: rule foreign_key plot")]

    together = platform.ingest("b2", rows | {"rules": [rule]}, plots)
    assert codes(together) == [("rule_failed", "dataset a")]
    assert "2 values of 'plot' are not in plots of this batch, in 3 features: z; w." in together.problems[0].message

    assert platform.ingest("b3", plots).status is Status.SUCCESS
    warned = platform.ingest("b4", rows, rules=[rule | {"severity": "warn"}])
    assert warned.status is Status.SUCCESS
    (result,) = platform.asset("a").rules
    assert (result.failed, result.against) == (3, "plots@1")

    more = platform.entry(platform.put("in/plots.csv", "plot,area\nx,1\nz,2\nw,3\n"), **CSV, dataset_id="plots")
    assert platform.ingest("b5", more).status is Status.SUCCESS
    assert platform.ingest("b6", rows, rules=[rule]).status is Status.SUCCESS
    assert codes(platform.ingest("b7", rows, rules=[rule | {"dataset": "plots@1"}])) == [("rule_failed", "dataset a")]
    assert codes(platform.ingest("b8", rows, rules=[rule | {"columns": "id", "refers_to": "plot"}])) == [
        ("bad_rule", "dataset a: rule foreign_key id")
    ], "a number is no text"
    assert codes(platform.ingest("b9", rows, rules=[rule | {"refers_to": "none"}])) == [
        ("bad_rule", "dataset a: rule foreign_key plot")
    ]
    assert platform.transient() == []


def test_against_the_version_before(platform: Any, geojson: Callable[..., str]) -> None:
    rules = [{"rule": "features", "min_share": 0.5, "max_times": 2}, {"rule": "extent", "min_share": 0.5, "max_times": 4}]

    def deliver(batch: str, count: int, **more: Any) -> Report:
        entry = platform.entry(platform.put("in/a.geojson", geojson(count)), dataset_id="a")
        return platform.ingest(batch, entry, on_change="allow", rules=rules, **more)

    assert deliver("b1", 10).status is Status.SUCCESS
    assert [result.said for result in platform.asset("a").rules] == [
        "It has 10 features.", "Not judged: there is no extent before it.",
    ]  # fmt: skip
    assert codes(deliver("b2", 4)) == [("rule_failed", "dataset a")] * 2
    assert codes(deliver("b3", 21)) == [("rule_failed", "dataset a")] * 2
    assert deliver("b4", 9).status is Status.SUCCESS
    features, extent = platform.asset("a").rules
    assert (features.against, extent.against) == ("a@1", "a@1")
    assert extent.said == "0.79 of the extent of a@1 lies in it, which is 0.79 times as large."


def test_fresh(platform: Any) -> None:
    today = datetime.now(UTC)

    def deliver(batch: str, days: int, **more: Any) -> Report:
        text = f"id,seen\n1,2001-01-01\n2,{today - timedelta(days=days):%Y-%m-%d}\n"
        entry = platform.entry(platform.put("in/a.csv", text), **CSV, dataset_id="a")
        cast = {"intent": "cast", "parameters": {"columns": {"seen": "date"}}}
        return platform.ingest(batch, entry, rules=[{"rule": "fresh", "column": "seen", "max_days": 10}], **cast, **more)

    assert deliver("b1", 3).status is Status.SUCCESS
    late = deliver("b2", 30)
    assert codes(late) == [("rule_failed", "dataset a")]
    assert "10 are allowed" in late.problems[0].message


def test_a_dataset_that_grows_is_judged_as_a_whole(platform: Any) -> None:
    rules = [{"rule": "unique", "columns": "id"}, {"rule": "features", "max": 3}]
    assert platform.ingest("b1", table(platform, "a", "1,x,1", "2,x,2"), rules=rules).status is Status.SUCCESS
    twice = platform.ingest("b2", table(platform, "a", "2,x,3"), mode="append", rules=rules)
    assert codes(twice) == [("rule_failed", "dataset a")]
    assert platform.ingest("b3", table(platform, "a", "3,x,3"), mode="append", rules=rules).status is Status.SUCCESS
    assert codes(platform.ingest("b4", table(platform, "a", "4,x,3"), mode="append", rules=rules)) == [
        ("rule_failed", "dataset a")
    ]


def test_rules_of_file_batch_and_recipe_hold_together(open_platform: Callable[..., Any], tmp_path: Any) -> None:
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True)
    recipe = {"name": "mine", "description": "Mine.", "rules": [{"rule": "not_null", "column": "id"}]}
    (recipes / "mine.yaml").write_text(json.dumps(recipe))
    platform = open_platform()
    entry = table(platform, "a", "1,x,1", rules=[{"rule": "not_null", "column": "plot"}])
    batch = [{"rule": "not_null", "column": "n"}, {"rule": "not_null", "column": "id"}]
    assert platform.ingest("b1", entry, intent="mine", rules=batch).status is Status.SUCCESS
    assert [result.label for result in platform.asset("a").rules] == ["not_null plot", "not_null n", "not_null id"]

    again = platform.ingest("b1", entry, intent="mine", rules=batch)
    assert again.unchanged_since == "b1#1"
    (recipes / "mine.yaml").write_text(json.dumps(recipe | {"rules": [{"rule": "unique", "columns": "id"}]}))
    other = open_platform()
    made = other.ingest("b1", entry, intent="mine", rules=batch)
    assert (made.unchanged_since, [result.label for result in other.asset("a").rules][-1]) == (None, "unique id")


def test_rules_that_do_not_fit(platform: Any) -> None:
    rules = [
        {"rule": "unique", "columns": "none"},
        {"rule": "extent", "min_share": 1},
        {"rule": "fresh", "column": "n", "max_days": 1},
    ]
    report = platform.ingest("b1", table(platform, "a", "1,x,1"), rules=rules)
    assert codes(report) == [
        ("bad_rule", "dataset a: rule unique none"),
        ("bad_rule", "dataset a: rule extent"),
        ("bad_rule", "dataset a: rule fresh n"),
    ]
    raster = {"path": "s3://landing-zone/in/a.tif", "type": "raster", "format": "GeoTIFF"}
    refused = platform.ingest("b2", raster, rules=[{"rule": "features", "min": 1}])
    assert ("bad_rule", "files[0].type") in codes(refused)
