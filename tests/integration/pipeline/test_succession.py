"""Versions that belong together: what differs from the version before is told, or refused, and recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely

from libs.models import Decision, Outcome, Status
from libs.pipeline import ingest as ingest_module
from libs.pipeline.placing import place
from tests.integration.pipeline.conftest import Platform

pytestmark = pytest.mark.integration

HERE = [shapely.box(8 + n / 100, 50, 8.005 + n / 100, 50.005) for n in range(20)]


def layer(folder: Path, name: str, /, shapes: list[Any] = HERE, crs: str = "EPSG:4326", **columns: Any) -> Path:
    """A GeoPackage."""
    path = folder / f"{name}.gpkg"
    geopandas.GeoDataFrame({"id": range(len(shapes)), **columns}, geometry=shapes, crs=crs).to_file(path, layer="kreis")
    return path


def _table(folder: Path) -> Path:
    path = folder / "x.csv"
    path.write_text("id\n" + "".join(f"{number}\n" for number in range(20)))
    return path


DELIVERIES: dict[str, tuple[Callable[[Path], Path], dict[str, Any], str]] = {
    "columns": (lambda folder: layer(folder, "x", name="a"), {}, "name (str"),
    "features": (lambda folder: layer(folder, "x", HERE[:2]), {}, "It has 2 features; kreis@1 has 20."),
    "extent": (lambda folder: layer(folder, "x", [shapely.affinity.translate(shape, 20) for shape in HERE]), {}, "(28,"),
    "geometry_types": (lambda folder: layer(folder, "x", [shape.centroid for shape in HERE]), {}, "Point; kreis@1 has Polygon"),
    "crs": (
        lambda folder: layer(folder, "x"),
        {"intent": "reproject", "parameters": {"crs": "EPSG:25832"}},
        "It has the CRS EPSG:25832; kreis@1 has EPSG:4326.",
    ),
    "kind": (_table, {}, "It is a table; kreis@1 is a layer with geometry."),
}  # fmt: skip
CODES = {
    "columns": "columns_changed", "features": "far_fewer_features", "extent": "extent_elsewhere",
    "geometry_types": "geometry_types_changed", "crs": "crs_changed", "kind": "kind_changed",
}  # fmt: skip


@pytest.fixture
def kreis(platform: Platform, tmp_path: Path) -> Platform:
    """A platform with a version of a layer of districts."""
    report = platform.ingest("first", entry(platform, "first", layer(tmp_path, "kreis")))
    assert (report.status, report.datasets[0].previous) == (Status.SUCCESS, None), report.problems
    return platform


def entry(platform: Platform, batch: str, path: Path, **more: Any) -> dict[str, Any]:
    kind = {"type": "tabular"} if path.suffix == ".csv" else {}
    return platform.entry(platform.put(f"{batch}/{path.name}", path), dataset_id="kreis", **kind, **more)


@pytest.mark.parametrize("aspect", DELIVERIES)
def test_a_difference_is_told_refused_or_allowed(kreis: Platform, tmp_path: Path, aspect: str) -> None:
    made, more, said = DELIVERIES[aspect]
    folder = tmp_path / "second"
    folder.mkdir()
    path = made(folder)
    refused = kreis.ingest("refused", entry(kreis, "refused", path), on_change={aspect: "reject"}, **more)
    problem = next(problem for problem in refused.problems if problem.code == CODES[aspect])
    assert (refused.status, problem.where) == (Status.REJECTED, "dataset kreis")
    assert said in problem.message
    assert f'"on_change": {{"{aspect}": "allow"}}' in problem.remedy
    assert kreis.stack.ledger.next_versions(["kreis"]) == {"kreis": 2}, "nothing was reserved"

    by_default = kreis.ingest("default", entry(kreis, "default", path), **more)
    if aspect == "kind":
        assert {problem.code for problem in by_default.problems} == {"kind_changed"}
        by_default = kreis.ingest("warned", entry(kreis, "warned", path, on_change={"kind": "warn"}), **more)
    warning = next(warning for warning in by_default.warnings if warning.code == CODES[aspect])
    assert said in warning.message
    assert "'spatial-etl make-current kreis@1'" in warning.remedy
    assert (by_default.datasets[0].version, by_default.datasets[0].previous) == (2, 1)
    outcome = kreis.stack.ledger.outcome(by_default.run_id or "")
    assert outcome is not None
    assert warning in outcome.warnings
    assert outcome.assets[0].previous == 1
    back = kreis.ingest("back", entry(kreis, "back", tmp_path / "kreis.gpkg"), on_change="allow")
    assert (back.status, back.warnings, back.datasets[0].previous) == (Status.SUCCESS, (), 2)


def test_what_is_the_same_or_more_of_it_is_no_difference(kreis: Platform, tmp_path: Path) -> None:
    more = [*HERE, shapely.MultiPolygon([shapely.box(8, 50.1, 8.1, 50.2), shapely.box(8, 50.3, 8.1, 50.4)])]
    path = tmp_path / "more.parquet"  # a GeoPackage would make all of them multipolygons
    geopandas.GeoDataFrame({"id": range(len(more))}, geometry=more, crs="EPSG:4326").to_parquet(path)
    report = kreis.ingest("second", entry(kreis, "second", path), on_change={"features": "reject"})
    assert [warning.code for warning in report.warnings] == ["geometry_types_changed"], "a type that is new"
    report = kreis.ingest("third", entry(kreis, "third", tmp_path / "kreis.gpkg"), on_change="reject")
    assert (report.status, report.warnings) == (Status.SUCCESS, ()), "one and many of a kind are the same"


def test_recipe_batch_and_file_say_what_is_refused(open_platform: Callable[..., Platform], tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    (recipes / "strict.yaml").write_text("name: strict\ndescription: Strict.\non_change: reject\n")
    platform = open_platform(spatial_etl_recipes=recipes)
    platform.ingest("first", entry(platform, "first", layer(tmp_path, "kreis")), intent="strict")
    other = layer(tmp_path, "other", HERE[:1], name="a")
    refused = platform.ingest("a", entry(platform, "a", other), intent="strict", on_change={"columns": "warn"})
    assert [problem.code for problem in refused.problems] == ["far_fewer_features"]
    made = platform.ingest(
        "b", entry(platform, "b", other, on_change={"features": "allow"}), intent="strict", on_change={"columns": "warn"}
    )
    assert [warning.code for warning in made.warnings] == ["columns_changed"]
    wrong = platform.ingest("c", entry(platform, "c", other), on_change={"columns": "never", "colour": "warn"})
    assert [problem.where for problem in wrong.problems] == ["on_change.colour", "on_change.columns"]


def test_a_version_that_is_committed_in_between_counts(kreis: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker reserves, and perhaps commits, version 2 after this one has looked: this one, version 3, follows it."""
    ledger = kreis.stack.ledger
    run = ledger.run("first#1")
    assert run is not None

    def meanwhile(commit: bool) -> Callable[..., Any]:
        def place_second(*args: Any) -> Any:
            other = run.model_copy(update={"batch_id": f"other-{commit}", "attempt": 1})
            ledger.store.insert("runs", other.id, other.to_document())
            number = ledger.reserve({"kreis": ["data.parquet"]}, other, kreis.stack.lake.prefix)["kreis"].version
            if commit:  # and dies before it has copied the record
                asset = kreis.asset("kreis", 1)
                summary = asset.summary.model_copy(update={"crs": "EPSG:3035"})
                asset = asset.model_copy(update={"version": number, "run_id": other.id, "summary": summary})
                ledger.decide(
                    Outcome(
                        run_id=other.id, batch_id=other.batch_id, decision=Decision.SUCCESS, decided_at=ledger.clock(),
                        decided_by="other", assets=(asset,),
                    )
                )  # fmt: skip
            return place(*args)

        return place_second

    monkeypatch.setattr(ingest_module, "place", meanwhile(commit=False))
    report = kreis.ingest("second", entry(kreis, "second", tmp_path / "kreis.gpkg"))
    assert (report.datasets[0].version, report.datasets[0].previous) == (3, 1)
    assert [each.code for each in report.warnings] == ["version_not_compared", "same_as_before"]
    assert "version 2" in report.warnings[0].message

    monkeypatch.setattr(ingest_module, "place", meanwhile(commit=True))
    refused = kreis.ingest("third", entry(kreis, "third", tmp_path / "kreis.gpkg"), on_change={"crs": "reject"})
    assert [problem.message for problem in refused.problems] == ["It has the CRS EPSG:4326; kreis@4 has EPSG:3035."]
    assert (refused.status, refused.datasets) == (Status.REJECTED, ())
    assert kreis.asset("kreis").version == 3, "that of the other worker is copied when somebody reconciles"
