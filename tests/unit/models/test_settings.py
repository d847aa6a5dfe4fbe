from pathlib import Path

import pytest

from libs.models.settings import Settings


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_nothing_set_is_the_embedded_default() -> None:
    settings = Settings()
    assert (settings.minio_endpoint, settings.mongo_connection_string, settings.postgres_host) == (None, None, None)
    assert settings.scratch == Path("var/scratch")
    assert settings.recipes == Path("var/recipes")


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SPATIAL_ETL_HOME=from-file\nMINIO_LAKE_BUCKET=from-file\nUNRELATED=1\n")
    monkeypatch.setenv("SPATIAL_ETL_HOME", "from-environment")
    settings = Settings()
    assert settings.scratch == Path("from-environment/scratch")
    assert settings.minio_lake_bucket == "from-file"


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MINIO_ROOT_PASSWORD", "POSTGRES_PASSWORD", "MONGO_CONNECTION_STRING"):
        monkeypatch.setenv(name, "s3cret-value")
    assert "s3cret-value" not in repr(Settings())
    assert "s3cret-value" not in Settings().model_dump_json()
