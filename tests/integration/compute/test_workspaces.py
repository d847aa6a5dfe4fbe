"""Workspaces: apart from each other, and gone when their run is."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier, Timer
from typing import Any

import pyarrow as pa
import pytest

from libs.compute.engine import ComputeEngine
from libs.models import ServiceUnavailable
from libs.transformations import Plan, Recipe, Relation

pytestmark = pytest.mark.integration


def test_concurrent_workspaces_do_not_meet(through: Callable, source: Callable, wkb: Callable) -> None:
    """Even those of runs whose names differ only in what an engine's names cannot tell apart."""
    runs = ["a-b#1", "a_b#1", "A.b#1", "a.b#1", "b" * 128 + "#1", "b" * 127 + "c#1"]
    together = Barrier(len(runs))

    def work(number: int) -> list[int]:
        together.wait()
        table = pa.table({"n": range(number * 10_000, (number + 1) * 10_000), "geom": wkb(*["POINT (1 1)"] * 10_000)})
        rows = [
            through(source(table, batches=table.to_batches(max_chunksize=1_000)), by="default", run_id=runs[number]).rows
            for _ in range(3)
        ]
        assert rows[0].equals(rows[1])
        assert rows[1].equals(rows[2])
        return rows[0]["n"].to_pylist()

    with ThreadPoolExecutor(len(runs)) as workers:
        found = list(workers.map(work, range(len(runs))))
    assert found == [list(range(n * 10_000, (n + 1) * 10_000)) for n in range(len(runs))]


def test_datasets_of_one_run_do_not_meet(engine: ComputeEngine, recipe: Callable, source: Callable, tmp_path: Path) -> None:
    """They are loaded in turns, and one is read while another is loaded."""
    with engine.workspace("run#1", tmp_path) as workspace:
        one, two = workspace.dataset(recipe("raw")), workspace.dataset(recipe("raw"))
        one.load(source(pa.table({"n": [1]})))
        two.load(source(pa.table({"text": ["a"]})))
        one.load(source(pa.table({"n": [2]})))
        reading = one.finish().batches()
        first = next(reading)
        two.load(source(pa.table({"text": ["b"]})))
        rest = [first, *reading]
        one.close()
        assert pa.Table.from_batches(rest).to_pydict() == {"n": [1, 2]}
        assert pa.Table.from_batches(two.finish().batches()).to_pydict() == {"text": ["a", "b"]}


class StoppedError(Exception):
    pass


def test_nothing_is_left_however_a_run_ends(engine: ComputeEngine, recipe: Callable, source: Callable, tmp_path: Path) -> None:
    """A run of the same name finds its place free: nothing of the earlier one is there."""

    def stop_half_way() -> None:
        with engine.workspace("run#1", tmp_path) as workspace:
            table = workspace.dataset(recipe("raw"))
            table.load(source(pa.table({"n": [1]})))
            next(table.finish().batches())
            workspace.dataset(recipe("raw"))
            raise StoppedError

    for _ in range(3):
        with pytest.raises(StoppedError):
            stop_half_way()
        with engine.workspace("run#1", tmp_path) as workspace:
            table = workspace.dataset(recipe("raw"))
            table.load(source(pa.table({"text": ["a"]})))
            assert table.finish().features == 1
            table.close()
            table.close()
    assert engine.leftovers() == []


def test_an_error_of_the_source_comes_out_and_leaves_nothing(through: Callable, source: Callable) -> None:
    table = pa.table({"n": list(range(1_000))})

    def failing() -> Iterator[pa.RecordBatch]:
        yield from table.to_batches(max_chunksize=100)
        raise StoppedError

    for _ in range(2):
        with pytest.raises(StoppedError):
            through(source(table, batches=failing()))
        assert through(source(table)).features == 1_000


def test_ctrl_c_in_the_middle_of_a_statement_comes_out_as_itself(through: Callable, source: Callable) -> None:
    table = pa.table({"n": range(50_000), "text": [str(n) * 20 for n in range(50_000)]})
    for _ in range(3):
        pressed = Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        pressed.start()
        with pytest.raises(KeyboardInterrupt):
            through(source(table, batches=(table.to_batches()[0] for _ in count())))
        pressed.join()
    assert through(source(table)).features == 50_000


def test_closing_twice_and_without_use(new_engine: Callable) -> None:
    engine = new_engine()
    engine.close()
    engine.warm_up()
    engine.close()
    engine.close()
    assert engine.leftovers() == []


def test_versions_are_named(engine: ComputeEngine) -> None:
    versions = engine.versions()
    assert engine.capabilities.name in versions
    assert all(version[0].isdigit() for version in versions.values())


@pytest.fixture
def killed(kind: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with a filled workspace."""
    command = [sys.executable, str(Path(__file__).with_name("worker.py")), kind, str(tmp_path)]
    process = subprocess.Popen(command, stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def test_what_a_killed_process_leaves_is_found_and_dropped(killed: subprocess.Popen[str], new_engine: Callable) -> None:
    engine = new_engine()
    assert engine.leftovers() == [], "its owner lives"
    killed.kill()
    killed.wait()
    left = engine.leftovers()
    assert left
    for name in left:
        engine.drop(name)
    assert engine.leftovers() == []
    engine.drop(left[0])


def test_more_than_the_memory_spills(new_engine: Callable, through: Callable, source: Callable) -> None:
    table = pa.table({"n": range(300_000), "text": [f"{n:0>400}" for n in range(300_000)]})
    result = through(source(table, batches=table.to_batches(max_chunksize=10_000)), on=new_engine(memory_mb=160))
    assert result.rows["n"].to_pylist() == list(range(300_000))


def test_out_of_memory_says_what_to_change(
    kind: str, new_engine: Callable, through: Callable, source: Callable, recipe: Callable
) -> None:
    """A recipe that must hold one value which is larger than all there is."""
    table = pa.table({"text": ["x" * (150 << 20)], "geom": pa.nulls(1, pa.binary())})
    if kind == "postgis":  # what it may use is no limit for a single value
        assert (
            through(source(table), recipe("dissolve", by=["text"]), on=new_engine(memory_mb=64))
            .rows["text"]
            .equals(table["text"])
        )
        return
    with pytest.raises(ServiceUnavailable, match="SPATIAL_ETL_MEMORY_MB"):
        through(source(table), recipe("dissolve", by=["text"]), on=new_engine(memory_mb=64))


def test_files_that_are_alike_are_planned_once_and_others_anew(
    kind: str,
    engine: ComputeEngine,
    source: Callable,
    recipe: Callable,
    wkb: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planned: list[tuple[str, ...]] = []
    plan = Recipe.plan

    def counted(self: Recipe, relation: Relation, *arguments: Any, **more: Any) -> Plan:
        planned.append(relation.names)
        return plan(self, relation, *arguments, **more)

    monkeypatch.setattr(Recipe, "plan", counted)
    bound = recipe("default")
    found = []
    with engine.workspace("run#1", tmp_path) as workspace:
        for column in ("a", "a", "b", "a"):
            dataset = workspace.dataset(bound)
            dataset.load(source(pa.table({column: [len(found)], "geom": wkb("POINT (1 1)")})))
            rows = pa.Table.from_batches(dataset.finish().batches())
            found.append(rows.drop_columns(["geom", "bbox"]).to_pylist())
            dataset.close()
    assert found == [[{"a": 0}], [{"a": 1}], [{"b": 2}], [{"a": 3}]]
    assert sorted(set(planned)) == [("a",), ("b",)]
    times = {"duckdb": 2, "postgis": 4}  # there, a plan has functions in the dataset's own schema
    assert len(planned) == 2 * times[kind], "what is read, then without the rest"
