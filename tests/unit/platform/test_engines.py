"""Which compute engine the settings choose, and what is said when they choose none."""

from pathlib import Path
from typing import Any

import pytest

from libs.compute.duckdb import DuckDBEngine
from libs.compute.engine import Capabilities
from libs.compute.postgis import PostGISEngine
from libs.models import ServiceUnavailable
from libs.models.settings import Settings
from libs.platform import choose_engine, open_engine
from libs.platform.engines import ENGINES, EngineEntry
from libs.transformations import DIALECTS

HOST = {"postgres_host": "db.example.org", "postgres_password": "secret"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


@pytest.mark.parametrize(
    ("given", "name", "reason"),
    [
        ({}, "duckdb", "no server for compute is set"),
        (HOST, "postgis", "POSTGRES_HOST is set"),
        ({"spatial_etl_engine": "duckdb"}, "duckdb", "SPATIAL_ETL_ENGINE is set"),
        (HOST | {"spatial_etl_engine": "duckdb"}, "duckdb", "SPATIAL_ETL_ENGINE is set"),
        (HOST | {"spatial_etl_engine": "PostGIS "}, "postgis", "SPATIAL_ETL_ENGINE is set"),
        (HOST | {"spatial_etl_engine": ""}, "postgis", "POSTGRES_HOST is set"),
    ],
)
def test_the_choice_and_why(given: dict[str, Any], name: str, reason: str) -> None:
    choice = choose_engine(settings(**given))
    assert (choice.name, choice.reason) == (name, reason)


@pytest.mark.parametrize(("given", "engine"), [({}, DuckDBEngine), (HOST, PostGISEngine)])
def test_the_chosen_one_is_opened(given: dict[str, Any], engine: type, tmp_path: Path) -> None:
    opened = open_engine(settings(**given, spatial_etl_home=tmp_path, spatial_etl_memory_mb=111))
    assert type(opened) is engine
    assert (opened.capabilities.name, opened.memory_mb) == (choose_engine(settings(**given)).name, 111)
    opened.close()


def test_an_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(ServiceUnavailable) as caught:
        choose_engine(settings(spatial_etl_engine="spark"))
    assert "SPATIAL_ETL_ENGINE is 'spark'; give 'duckdb' or 'postgis', or leave it out." in str(caught.value)
    assert caught.value.setting == "SPATIAL_ETL_ENGINE"


def test_an_engine_without_its_server_says_what_to_set() -> None:
    with pytest.raises(ServiceUnavailable) as caught:
        choose_engine(settings(spatial_etl_engine="postgis"))
    assert "SPATIAL_ETL_ENGINE is 'postgis', but POSTGRES_HOST is not set" in str(caught.value)
    assert caught.value.setting == "POSTGRES_HOST and SPATIAL_ETL_ENGINE"


def test_a_server_without_a_password_is_said() -> None:
    with pytest.raises(ServiceUnavailable, match=r"POSTGRES_PASSWORD is not set. Check POSTGRES_PASSWORD\."):
        open_engine(settings(postgres_host="db.example.org"))


def test_each_engine_has_a_dialect_and_is_called_the_same_everywhere() -> None:
    from pkgutil import resolve_name

    for entry in ENGINES:
        capabilities = resolve_name(entry.path).capabilities
        assert isinstance(capabilities, Capabilities)
        assert capabilities.name == entry.name == DIALECTS[entry.name].name
    assert ENGINES[-1].server is None, "without any setting there must be an engine"


def test_a_third_engine_is_one_entry() -> None:
    engines = (EngineEntry("sedona", "third.engine:Engine", server="MINIO_ENDPOINT"), *ENGINES)
    assert choose_engine(settings(minio_endpoint="spark:1"), engines).name == "sedona"
    assert choose_engine(settings(), engines).name == "duckdb"
