"""A dataset has an owner: who delivered it first. What others deliver is told, or refused; leave is given by insert."""

from collections.abc import Callable
from typing import Any

import pytest

from libs.models import Report, Status
from libs.pipeline import ingest as ingest_module
from libs.pipeline.placing import place
from tests.integration.pipeline.conftest import Platform

pytestmark = pytest.mark.integration


@pytest.fixture(params=["sqlite", "mongo"])
def strict(request: pytest.FixtureRequest, open_platform: Callable[..., Platform]) -> Platform:
    """A platform that refuses, on each kind of ledger; in one batch each, ten datasets of Ada's project and one of Ben's own."""
    more = {}
    if request.param == "mongo":
        more = {name.lower(): value for name, value in request.getfixturevalue("mongodb").environment.items()}
        more["mongo_database"] = f"owners_{id(request):x}"
    return open_platform(spatial_etl_owners="Reject", **more)


@pytest.fixture
def deliver(strict: Platform, geojson: Callable[..., str]) -> Callable[..., Report]:
    path = strict.put("in/x.geojson", geojson())

    def deliver(batch: str, uploader: str, project: str | None, *datasets: str, **more: Any) -> Report:
        files = [{**strict.entry(path), "dataset_id": each} for each in datasets]
        if len(files) > 1:
            files = [{**file, "path": strict.put(f"in/{file['dataset_id']}.geojson", geojson())} for file in files]
        return strict.ingest(batch, *files, uploader=uploader, metadata={"project": project} if project else {}, **more)

    return deliver


def test_others_need_leave(strict: Platform, deliver: Callable[..., Report]) -> None:
    names = [f"d{number}" for number in range(10)]
    assert deliver("b1", "ada", "Alpha", *names).status is Status.SUCCESS
    for batch, uploader, project in (("b2", "ben", "ALPHA"), ("b3", "ada", None), ("b4", "ada", "Beta")):
        report = deliver(batch, uploader, project, *names)
        told = {warning.code for warning in report.warnings}
        assert (report.status, told) == (Status.SUCCESS, {"same_as_before"}), "the same project, or the same uploader"
    refused = deliver("b5", "ben", None, *names)
    assert (refused.run_id, {problem.code for problem in refused.problems}) == (None, {"owned_by_another"})
    assert refused.problems[0].where == "files[0].path"
    assert "the project 'Alpha' (uploader 'ada')" in refused.problems[0].message
    assert "spatial-etl admin grant d0 --to ben" in refused.problems[0].remedy
    ledger = strict.stack.ledger
    assert ledger.grant("d0", "ben", "ada") is not None
    assert ledger.grant("d0", "ben", "ada") is None
    assert deliver("b6", "ben", None, "d0").status is Status.SUCCESS
    assert deliver("b7", "ben", None, "d1").status is Status.REJECTED
    owner = strict.asset("d0").owner
    assert owner is not None
    assert (owner.project, owner.uploader, strict.asset("d0").version) == ("Alpha", "ada", 5), "it keeps its owner"
    assert ledger.grant("d0", "beta", "ada") is not None
    assert deliver("b8", "eve", "Beta", "d0").status is Status.SUCCESS
    assert ledger.grant("d0", "beta", "ada", allowed=False) is not None
    assert deliver("b9", "eve", "Beta", "d0").status is Status.REJECTED
    assert [entry.action for entry in ledger.activity("d0")] == ["revoked", "granted", "granted"]


def test_a_version_that_does_not_say_is_its_first_deliverers(strict: Platform, deliver: Callable[..., Report]) -> None:
    """As the release before wrote it."""
    assert deliver("b1", "ada", "Alpha", "d").status is Status.SUCCESS
    store = strict.stack.ledger.store
    document = store.get("assets", "d@1")
    assert document is not None
    store.remove("assets", ["d@1"])
    store.insert("assets", "d@1", {key: value for key, value in document.items() if key not in {"owner", "previous"}})
    assert deliver("b2", "ben", None, "d").status is Status.REJECTED
    assert deliver("b3", "ada", None, "d").status is Status.SUCCESS
    assert str(strict.asset("d", 2).owner) == "the project 'Alpha' (uploader 'ada')"


def test_of_two_who_make_a_dataset_at_once_the_first_owns_it(
    open_platform: Callable[..., Platform], geojson: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = open_platform(spatial_etl_owners="reject")
    entry = platform.entry(platform.put("in/d.geojson", geojson()))

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(ingest_module, "place", place)
        platform.submit("other", entry, uploader="ben")
        assert [report.batch_id for report in open_platform().process()] == ["other"]
        return place(*arguments)

    monkeypatch.setattr(ingest_module, "place", meanwhile)
    report = platform.ingest("mine", entry, uploader="ada")
    assert [problem.code for problem in report.problems] == ["owned_by_another"]
    assert [asset.version for asset in platform.stack.ledger.assets()] == [1]


def test_by_default_it_is_told_and_it_may_be_off(open_platform: Callable[..., Platform], geojson: Callable[..., str]) -> None:
    for setting, codes in ((None, ["owned_by_another", "same_as_before"]), ("off", ["same_as_before"])):
        platform = open_platform(**({} if setting is None else {"spatial_etl_owners": setting}))
        entry = platform.entry(platform.put("in/d.geojson", geojson()))
        platform.ingest(f"b1-{setting}", entry, uploader="ada")
        report = platform.ingest(f"b2-{setting}", entry, uploader="ben")
        assert (report.status, [warning.code for warning in report.warnings]) == (Status.SUCCESS, codes)
