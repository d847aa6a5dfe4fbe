"""What is special about SQLite; what every store must do stands in the contract suite."""

import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from libs.ledger import SqliteStore
from libs.ledger.store import ORDERED_BY
from libs.models import ServiceUnavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "ledger.db"


def test_a_commit_is_on_the_disk_when_it_returns(path: Path) -> None:
    store = SqliteStore(path)
    with store._connected() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    store.close()


@pytest.mark.parametrize(
    "content", [b"This is not a database, it only lies where one should be." * 100, b"SQLite format 3\0" * 100]
)
def test_a_file_that_is_no_ledger_is_said(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ServiceUnavailable, match="SPATIAL_ETL_HOME"):
        SqliteStore(path)
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_said(path: Path) -> None:
    path.parent.write_bytes(b"")
    with pytest.raises(ServiceUnavailable, match="SPATIAL_ETL_HOME"):
        SqliteStore(path)


def test_a_closed_store_opens_again_when_it_is_used(path: Path) -> None:
    store = SqliteStore(path)
    store.insert("runs", "a", {"n": 1})
    store.close()
    assert store.get("runs", "a") == {"n": 1}
    store.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_a_connection_of_its_own(path: Path) -> None:
    store = SqliteStore(path)
    store.insert("runs", "parent", {})
    child = multiprocessing.get_context("fork").Process(target=store.insert, args=("runs", "child", {}))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert list(store.ids("runs")) == ["child", "parent"]
    store.close()


def test_a_failed_copy_leaves_the_store_usable(path: Path) -> None:
    store = SqliteStore(path)
    with store._connected() as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON documents WHEN NEW.id = 'b' BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    with pytest.raises(ServiceUnavailable, match="full"):
        store.insert_missing([("assets", "a", {}), ("assets", "b", {})])
    assert list(store.ids("assets")) == []
    assert store.insert("assets", "a", {})
    store.close()


@pytest.mark.parametrize("collection", ORDERED_BY)
def test_the_newest_are_found_without_looking_at_all(path: Path, collection: str) -> None:
    store = SqliteStore(path)
    statements: list[str] = []
    with store._connected() as connection:
        connection.set_trace_callback(statements.append)
    assert list(store.find(collection, latest=True, limit=10)) == []
    store.close()
    with sqlite3.connect(path) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statements[-1]}")]
    connection.close()
    assert plan == [f"SCAN documents USING INDEX {collection}_by_time"]
