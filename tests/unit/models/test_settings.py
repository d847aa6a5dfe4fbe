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


def test_the_example_file_has_every_setting_of_a_server(tmp_path: Path) -> None:
    example = (Path(__file__).parents[3] / ".env.example").read_text(encoding="utf-8")
    lines = [line[1:] for line in example.splitlines() if line.startswith("#") and not line.startswith("# ")]
    assert [line.partition("=")[0] for line in lines] == [
        name.upper() for name in Settings.model_fields if not name.startswith("spatial_etl_")
    ]
    (tmp_path / ".env").write_text("\n".join(lines))
    assert Settings().postgres_port == 5432
