"""What integration tests of several packages share."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from libs.models import Manifest
from libs.storage import LandingZone
from libs.transformations import Recipe


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a manifest's JSON is parsed and validated, a recipe bound, files looked up, a folder listed."""
    count: Counter[str] = Counter()

    def counted(owner: Any, name: str, label: Callable[..., str]) -> None:
        real = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            count[label(*args)] += 1
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    loads = json.loads

    def parse(*args: Any, **kwargs: Any) -> Any:
        value = loads(*args, **kwargs)
        if isinstance(value, dict) and value.keys() >= {"batch_id", "uploader", "intent", "files"}:  # of all that is JSON
            count["parsed"] += 1
        return value

    monkeypatch.setattr(json, "loads", parse)
    counted(Manifest, "model_validate", lambda *_: "validated")
    counted(Recipe, "bind", lambda *_: "bound")
    counted(LandingZone, "look_up", lambda _, keys, *__: f"looked up {len(keys)}")
    counted(LandingZone, "names", lambda _, folder: f"listed {folder}")
    return count
