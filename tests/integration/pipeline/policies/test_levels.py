"""Who says the policies: file, batch or recipe; and how many features may be set aside."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.pipeline.replay import replay
from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import BAD, csv, data, only_problem

pytestmark = pytest.mark.integration


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
