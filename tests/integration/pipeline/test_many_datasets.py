"""A batch of many small files becomes as many datasets, committed at once."""

from collections.abc import Callable
from typing import Any

import pytest

from libs.ledger import parts
from libs.models import Status
from libs.pipeline.maintenance import gc, reconcile
from libs.pipeline.verify import Finding, verify
from tests.sampling import FULL

pytestmark = pytest.mark.integration


@pytest.mark.slow
def test_a_batch_of_many_one_feature_files_is_committed(
    platform: Any, geojson: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 10_000 if FULL else 100
    if count < 10_000:  # as large an outcome as its parts are small
        monkeypatch.setattr(parts.split, "__defaults__", (parts.PART_BYTES * count // 10_000,))
    files = [platform.put(f"in/f{number:05}.geojson", geojson(1)) for number in range(count)]
    report = platform.ingest("many", *(platform.entry(file) for file in files))
    assert (report.status, len(report.datasets)) == (Status.SUCCESS, count)
    ledger = platform.stack.ledger
    assert len(list(ledger.store.ids(parts.COLLECTION))) > 2
    assert len(ledger.newest_versions()) == count
    assert {each.finding for each in verify(platform.stack)} == {Finding.INTACT}
    assert (reconcile(platform.stack).published, gc(platform.stack).records) == ((), 0)
