"""Datasets that are described, retired and restored."""

from collections.abc import Callable
from typing import Any

import pytest

from libs.models import Rejected, Status
from libs.pipeline.describing import describe
from libs.pipeline.verify import verify

pytestmark = pytest.mark.integration


def say(platform: Any, dataset_id: str, **said: Any) -> Any:
    stack = platform.stack
    return describe(stack.settings, stack.lake, stack.ledger, dataset_id, said, "ada")


def test_a_retired_dataset_takes_no_delivery_until_it_is_restored(platform: Any, geojson: Callable[..., str]) -> None:
    entries = [platform.entry(platform.put(f"in/{name}.geojson", geojson()), dataset_id=name) for name in ("a", "b")]
    assert platform.ingest("b1", *entries).status is Status.SUCCESS
    assert say(platform, "a", retired="Use b.") is not None
    assert [asset.dataset_id for asset in platform.stack.ledger.datasets()] == ["b"]
    assert [asset.dataset_id for asset in platform.stack.ledger.datasets(retired=True)] == ["a", "b"]

    refused = platform.ingest("b2", *entries)
    assert [(problem.code, problem.where) for problem in refused.problems] == [("dataset_retired", "dataset a")]
    assert "Use b." in refused.problems[0].message
    assert "'spatial-etl restore a'" in refused.problems[0].remedy
    assert platform.stack.ledger.versions("b") == [1], "a batch is all or nothing"
    assert platform.ingest("b3", entries[1]).status is Status.SUCCESS
    made = platform.ingest("b4", inputs=[{"dataset": "a@1", "dataset_id": "c"}])
    assert made.status is Status.SUCCESS, "its versions stay, and may be read"

    assert say(platform, "a", retired=None) is not None
    assert platform.ingest("b5", *entries).status is Status.SUCCESS
    assert {"retired", "restored"} <= {entry.action for entry in platform.stack.ledger.activity("a")}
    assert all(not each.finding.damages for each in verify(platform.stack))


def test_what_cannot_be_said_is_told(platform: Any, geojson: Callable[..., str]) -> None:
    assert platform.ingest("b1", platform.entry(platform.put("in/a.geojson", geojson()), dataset_id="a"))
    with pytest.raises(Rejected) as refused:
        say(platform, "a", title="x" * 400, tags=("a\nb",))
    assert [(problem.code, problem.where) for problem in refused.value.problems] == [
        ("bad_description", "title"), ("bad_description", "tags.0"),
    ]  # fmt: skip
