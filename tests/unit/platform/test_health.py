"""What `doctor` says of the landing zone."""

from datetime import timedelta
from pathlib import Path

import pytest

from libs.models import utc_now
from libs.models.settings import Settings
from libs.platform.health import Verdict, _stores
from libs.storage import FolderStore


@pytest.mark.parametrize(("hours", "said"), [(1, "3,600 s ahead of"), (-1, "3,600 s behind")])
def test_a_clock_that_differs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, said: str) -> None:
    settings = Settings(_env_file=None, spatial_etl_home=tmp_path)
    (tmp_path / settings.minio_landing_bucket).mkdir()
    assert "Clocks" not in {check.name for check in _stores(settings)}
    monkeypatch.setattr(FolderStore, "clock", lambda _: utc_now() + timedelta(hours=hours, milliseconds=100))
    (check,) = (check for check in _stores(settings) if check.name == "Clocks")
    assert check.verdict is Verdict.WEAK
    assert said in check.found


def test_what_lies_in_the_way_is_named(tmp_path: Path) -> None:
    manifests = FolderStore(tmp_path / "landing-zone", "landing-zone").root / "manifests"
    manifests.mkdir()
    (manifests / "a.json").symlink_to("nowhere")
    weak = [
        check.found for check in _stores(Settings(_env_file=None, spatial_etl_home=tmp_path)) if check.verdict is Verdict.WEAK
    ]
    assert weak == ["s3://landing-zone/manifests/a.json is a symbolic link or lies behind one, which is not followed"]
