"""Policies for dates of MapInfo."""

from typing import Any

import pytest

from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import data, only_problem, rejects

pytestmark = pytest.mark.integration

HEAD = 'Version 300\nCharset "WindowsLatin1"\nDelimiter ","\nCoordSys Earth Projection 1, 104\n'
COLUMNS = "Columns 3\n  c Char(20)\n  n Integer\n  d Date\nData\n\n"


def mif(platform: Platform, *records: str) -> dict[str, Any]:
    platform.put("in/a.mid", "".join(f"{record}\n" for record in records))
    points = "".join(f"Point {7 + number} 46\n" for number in range(3))
    return platform.entry(platform.put("in/a.mif", HEAD + COLUMNS + points), format="MIF")


def test_a_day_of_mapinfo_that_does_not_exist(platform: Platform) -> None:
    entry = mif(platform, '"two\n\nlines",1,20240228', '"a, ""b""",2,20240230', '"z",3,20240301', "")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_value": "set_aside"' in problem.remedy) == ("value_lost", True)
    report = platform.ingest("b", entry, on_bad_value="set_aside")
    assert report.status == "success", report.problems
    asset = platform.asset("a")
    assert (sorted(data(platform, asset)["n"]), asset.changes.counts) == ([1, 3], {"set_aside": 1})
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "c", "n", "d"]].to_numpy().tolist() == [[2, 'a, "b"', "2", "20240230"]]
    assert aside.geometry.x.tolist() == [8]
    assert platform.ingest("c", entry, on_bad_value="null").status == "success"
    asset = platform.asset("a")
    days = data(platform, asset).sort_values("n")["d"]
    assert [str(day) for day in days] == ["2024-02-28", "None", "2024-03-01"]


def test_where_a_blank_line_may_be_a_record_no_date_is_set_aside(platform: Platform) -> None:
    entry = mif(platform, '"x",1,20240228', "", '"y",2,20240230')
    assert only_problem(platform.ingest("a", entry, on_bad_value="set_aside")).code == "value_lost"
