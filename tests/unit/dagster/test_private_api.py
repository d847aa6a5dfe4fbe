"""Every part of Dagster that is not its public API and that we rely on: what for, and that it is still there as we use it."""

import ast
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import MetaData

import services.dagster
from services.dagster.etl_pipelines.assets.datasets import DATA_VERSION_TAG
from services.dagster.etl_pipelines.sensors.in_hand import IN_HAND

FOLDER = Path(services.dagster.__file__).parent


def takes(*parameters: str) -> Callable[[Any], bool]:
    """Whether a function or a class takes these parameters, in this order, and needs no others."""

    def check(found: Any) -> bool:
        signature = [each for each in inspect.signature(found).parameters.values() if each.name != "self"]
        optional = all(each.default is not each.empty for each in signature[len(parameters) :])
        return tuple(each.name for each in signature[: len(parameters)]) == parameters and optional

    return check


def has(**methods: tuple[str, ...]) -> Callable[[Any], bool]:
    """Whether a class has these methods, each with these parameters."""
    return lambda found: all(takes(*parameters)(getattr(found, name, None)) for name, parameters in methods.items())


LOAD = "dagster._core.definitions.definitions_load_context"
STORAGE = "dagster._core.storage"
EVENT_LOG = f"{STORAGE}.event_log.sqlite.sqlite_event_log"

PRIVATE: dict[tuple[str, str], tuple[str, Callable[[Any], bool]]] = {
    (LOAD, "DefinitionsLoadContext"): (
        "assets/known.py asks whether a code server or a run's worker loads the definitions",
        lambda found: isinstance(found.load_type, property) and found.get().load_type.name == "INITIALIZATION",
    ),
    (LOAD, "DefinitionsLoadType"): (
        "assets/known.py asks whether a code server or a run's worker loads the definitions",
        lambda found: {each.name for each in found} == {"INITIALIZATION", "RECONSTRUCTION"},
    ),
    ("dagster._core.errors", "DagsterRunAlreadyExists"): (
        "deliveries.py makes a row that another process may be making",
        lambda found: issubclass(found, dg.DagsterError),
    ),
    ("dagster._core.events", "StepMaterializationData"): (
        "assets/shown.py reports a version with the time at which it was made, for which Dagster's public API has no parameter",
        takes("materialization"),
    ),
    (f"{STORAGE}.event_log.schema", "SqlEventLogStorageMetadata"): (
        "storage.py makes the tables of a run's file of events",
        lambda found: isinstance(found, MetaData) and "event_logs" in found.tables,
    ),
    (EVENT_LOG, "INDEX_SHARD_NAME"): (
        "storage.py keeps the file that indexes all runs open",
        lambda found: found == "index",
    ),
    (EVENT_LOG, "SqliteEventLogStorage"): (
        "storage.py replaces how Dagster's events in SQLite are opened",
        has(
            __init__=("base_dir", "inst_data"),
            has_table=("table_name",),
            _has_asset_key_col_on_connection=("conn", "column_name"),
            _initdb=("engine", "for_index_shard"),
            _connect=("shard",),
            conn_string_for_shard=("shard_name",),
        ),
    ),
    (f"{STORAGE}.runs.sqlite.sqlite_run_storage", "SqliteRunStorage"): (
        "storage.py opens Dagster's runs in SQLite without loading all migrations",
        has(__init__=("conn_string", "inst_data"), from_local=("base_dir",)),
    ),
    (f"{STORAGE}.schedules.sqlite.sqlite_schedule_storage", "SqliteScheduleStorage"): (
        "storage.py opens Dagster's schedules in SQLite without loading all migrations",
        has(__init__=("conn_string", "inst_data"), from_local=("base_dir",)),
    ),
    (f"{STORAGE}.sql", "get_alembic_config"): (
        "storage.py finds Dagster's own migrations",
        takes("dunder_file"),
    ),
}


def private_imports() -> dict[tuple[str, str], str]:
    """What services/dagster imports of Dagster from a module with a leading underscore: module and name, and the file."""
    found = {}
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                pairs = [(node.module or "", alias.name) for alias in node.names]
            elif isinstance(node, ast.Import):
                pairs = [(alias.name, "") for alias in node.names]
            else:
                continue
            for module, name in pairs:
                package, *parts = f"{module}.{name}".split(".")
                if package.startswith("dagster") and any(part.startswith("_") for part in parts):
                    found[module, name] = str(path.relative_to(FOLDER))
    return found


def test_the_list_names_every_private_import_and_no_other() -> None:
    found = private_imports()
    assert found.keys() == PRIVATE.keys(), f"list in PRIVATE what it is for, or remove it there: {found.keys() ^ PRIVATE.keys()}"


@pytest.mark.parametrize(("module", "name"), PRIVATE)
def test_dagster_still_has_it(module: str, name: str) -> None:
    purpose, check = PRIVATE[module, name]
    said = f"Dagster {dg.__version__} has moved or changed {module}.{name}: {purpose}."
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise AssertionError(said) from error
    assert check(found), said


def test_a_change_in_dagster_is_noticed() -> None:
    """The checks can fail: each of them does for another of Dagster's classes."""
    for (module, name), (_, check) in PRIVATE.items():
        with pytest.raises((AssertionError, AttributeError, TypeError)):
            assert check(dg.AssetKey), f"{module}.{name}"


def test_event_storage_has_the_fields_that_we_use(tmp_path: Path) -> None:
    """storage.py shares Dagster's lock and its list of files that are made."""
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

    made = SqliteEventLogStorage(str(tmp_path))
    assert hasattr(made._db_lock, "acquire"), "SqliteEventLogStorage._db_lock: storage.py opens one file at a time under it"
    assert isinstance(made._initialized_dbs, set), "SqliteEventLogStorage._initialized_dbs: files that have their tables"
    made.dispose()


def test_what_is_written_down_here_is_what_dagster_has() -> None:
    """Constants of ours in place of a private import."""
    from dagster._core.definitions import data_version
    from dagster._core.storage import dagster_run

    assert DATA_VERSION_TAG == data_version.DATA_VERSION_TAG, "assets/datasets.py: the tag of a data version"
    statuses = {*dagster_run.IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.QUEUED}
    assert {*IN_HAND} == statuses, "sensors/in_hand.py: the statuses of a run that is not over"


def test_the_warnings_that_we_silence_come_from_a_module_that_exists() -> None:
    module = "dagster._core.definitions.sensor_definition"
    assert module in (FOLDER / "processes.py").read_text()
    assert importlib.import_module(module), "PYTHONWARNINGS names it"
