"""What is PostGIS's own: what is told when it cannot be used or cannot keep something, and what is left on the server."""

import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from libs.compute.postgis import PostGISEngine
from libs.compute.postgis.connection import Connection, Server, StatementFailed
from libs.models import Rejected, ServiceUnavailable
from libs.models.settings import Settings
from services.administration import Accounts
from services.local import throwaway_services
from services.postgis.init import prepare

pytestmark = pytest.mark.integration

DATABASE = "spatial_etl_test_roles"
OTHERS = "AND pid <> pg_backend_pid()"


@pytest.fixture(scope="session", params=["postgis"])
def kind(request: pytest.FixtureRequest) -> str:
    """This engine only."""
    return request.param


@pytest.fixture
def administrator() -> Server:
    return Server.of(Settings())


@pytest.fixture
def ask(administrator: Server) -> Iterator[Callable[[str], list[Any]]]:
    """Asks the server, as its administrator."""
    with closing(Connection(administrator)) as connection:
        yield connection.rows


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"password": "geheim-1234"}, "POSTGRES_USER and POSTGRES_PASSWORD"),
        ({"user": "nobody-there"}, "POSTGRES_USER"),
        ({"database": "not_there"}, "POSTGRES_DB"),
        ({"database": "postgres"}, "POSTGRES_DB"),
        ({"port": 1}, "POSTGRES_HOST and POSTGRES_PORT"),
    ],
    ids=str,
)
def test_what_cannot_be_reached_names_its_setting_and_no_secret(wrong: dict, setting: str, administrator: Server) -> None:
    server = replace(administrator, **wrong)
    with pytest.raises(ServiceUnavailable, match=setting) as caught:
        PostGISEngine(server, memory_mb=64).warm_up()
    told = f"{caught.value!r} {caught.value.__cause__!r} {server!r}"
    assert server.password not in told
    assert "\n" not in str(caught.value)


def test_text_in_settings_is_no_syntax(administrator: Server) -> None:
    odd = "a' b\\ host=elsewhere sslmode='x"
    with pytest.raises(ServiceUnavailable, match="POSTGRES_USER and POSTGRES_PASSWORD"):
        Connection(replace(administrator, password=odd))


@pytest.fixture
def accounts(administrator: Server, tmp_path: Path) -> Iterator[Accounts]:
    """A database that ``admin init`` has prepared, with its accounts."""
    accounts = Accounts(tmp_path / "accounts")
    settings = Settings(postgres_db=DATABASE)
    first = [step.done for step in prepare(settings, accounts)]
    assert first == ["created"] * 3
    assert {step.done for step in prepare(settings, accounts)} == {"already there"}
    yield accounts
    with closing(Connection(administrator)) as connection:
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        connection.execute(f"DROP ROLE {DATABASE}_pipeline")


def test_the_account_of_the_pipeline_can_do_its_work_and_nothing_else(
    accounts: Accounts, administrator: Server, through: Callable, source: Callable, wkb: Callable
) -> None:
    given = accounts.settings("pipeline")
    mine = replace(administrator, user=given["POSTGRES_USER"], password=given["POSTGRES_PASSWORD"], database=given["POSTGRES_DB"])
    table = pa.table({"geom": wkb("POINT (500000 0)", "POINT (500000 100)")})
    assert through(source(table, "EPSG:32632"), "default", on=PostGISEngine(mine, memory_mb=64)).features == 2
    with closing(Connection(mine)) as connection:
        for forbidden in (
            "CREATE TABLE public.mine (n int)",
            "UPDATE spatial_ref_sys SET srtext = '' WHERE srid = 4326",
            "DELETE FROM spatial_ref_sys",
            "CREATE ROLE another",
            "CREATE DATABASE another",
            "COPY (SELECT 1) TO '/tmp/spatial-etl-test'",
            "ALTER SYSTEM SET jit = on",
            "DROP EXTENSION postgis",
        ):
            with pytest.raises((ServiceUnavailable, StatementFailed), match=r"permission|must be|only roles|owner"):
                connection.execute(forbidden)


def test_an_account_without_rights_is_told_who_grants_them(
    administrator: Server, ask: Callable, through: Callable, source: Callable
) -> None:
    with closing(Connection(administrator)) as connection:
        connection.execute("CREATE ROLE etl_test_weak LOGIN PASSWORD 'weak'")
        try:
            weak = PostGISEngine(replace(administrator, user="etl_test_weak", password="weak"), memory_mb=64)
            with pytest.raises(ServiceUnavailable, match=r"POSTGRES_USER.*admin init"):
                through(source(pa.table({"n": [1]})), on=weak)
        finally:
            connection.execute("DROP ROLE etl_test_weak")


def test_a_statement_that_takes_too_long(administrator: Server, through: Callable, source: Callable) -> None:
    circles = shapely.buffer(shapely.points(np.random.default_rng(1).uniform(0, 100, (20_000, 2))), 1, quad_segs=32)
    table = pa.table({"geom": pa.array(shapely.to_wkb(circles), pa.binary())})
    hasty = PostGISEngine(administrator, memory_mb=64, statement_seconds=0.5)
    with pytest.raises(ServiceUnavailable, match="POSTGRES_STATEMENT_SECONDS"):
        through(source(table), "dissolve", on=hasty)
    assert hasty.leftovers() == []


@pytest.mark.parametrize("ask_for", [Connection.rows, Connection.batches, lambda *query: list(Connection.stream(*query))])
def test_a_query_that_takes_too_long(administrator: Server, ask_for: Callable) -> None:
    with closing(Connection(administrator)) as connection:
        connection.execute("SET statement_timeout = '0.2s'")
        with pytest.raises(ServiceUnavailable, match="POSTGRES_STATEMENT_SECONDS"):
            ask_for(connection, "SELECT n, pg_sleep(0.001) IS NULL FROM generate_series(1, 100000) n")
        assert connection.rows("SELECT 1") == [(1,)]


def test_a_session_that_is_lost_is_the_servers_fault_and_leaves_nothing(
    ask: Callable, engine: PostGISEngine, through: Callable, source: Callable
) -> None:
    table = pa.table({"n": range(200_000)})

    def losing() -> Iterator[pa.RecordBatch]:
        for batch in table.to_batches(max_chunksize=50_000):
            yield batch
            ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'spatial-etl' {OTHERS}")

    with pytest.raises(ServiceUnavailable, match="POSTGRES_HOST"):
        through(source(table, batches=losing()))
    assert engine.leftovers() == []


def test_sessions_begun_ahead_are_taken_if_they_last_and_ended_if_nobody_takes_them(
    administrator: Server, ask: Callable, tmp_path: Path
) -> None:
    ours = f"FROM pg_stat_activity WHERE application_name = 'spatial-etl' {OTHERS}"
    before = {pid for (pid,) in ask(f"SELECT pid {ours}")}

    def begun() -> set[int]:
        return {pid for (pid,) in ask(f"SELECT pid {ours}")} - before

    engine = PostGISEngine(administrator, memory_mb=64, threads=3)
    engine.warm_up()
    assert len(begun()) == 3
    with closing(engine.connect()) as connection:
        assert {pid for (pid,) in connection.rows("SELECT pg_backend_pid()")} < begun()
    ask(f"SELECT pg_terminate_backend(pid, 5000) {ours} AND pid IN ({', '.join(map(str, begun()))})")
    with closing(engine.connect()) as connection:
        assert connection.rows("SELECT 1") == [(1,)]

    def end_all() -> None:
        deadline = time.monotonic() + 10
        while begun() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not begun()

    for _ in range(2):
        engine.warm_up()
        assert len(begun()) == 3
    with engine.workspace("run#1", tmp_path):
        pass
    end_all()
    engine.warm_up()
    engine.close()
    engine.warm_up()
    end_all()


def test_what_a_server_that_was_killed_leaves_is_dropped(recipe: Callable, source: Callable, tmp_path: Path) -> None:
    with throwaway_services() as services:
        own = services.postgis
        own.start()
        given = {name.lower(): value for name, value in own.environment.items()}
        engine = PostGISEngine(Server.of(Settings(**given)), memory_mb=64)
        with engine.workspace("run#1", tmp_path) as workspace:
            table = workspace.dataset(recipe("raw"))
            rows = source(pa.table({"n": range(1_000)}))
            table.load(rows)
            own.kill()
            with pytest.raises(ServiceUnavailable, match="POSTGRES_HOST"):
                table.load(rows)
        with pytest.raises(ServiceUnavailable, match="POSTGRES_HOST"):
            engine.leftovers()
        own.start()
        (left,) = engine.leftovers()
        engine.drop(left)
        assert engine.leftovers() == []


@pytest.mark.parametrize("rows", [1, 100_000], ids=["at the first row", "after many rows"])
def test_a_query_that_fails_while_it_gives_rows_says_why(administrator: Server, rows: int) -> None:
    with closing(Connection(administrator)) as connection:
        with pytest.raises(StatementFailed) as caught:
            connection.batches(f"SELECT 1 / ({rows} - i) FROM generate_series(1, {rows}) AS i")
        assert caught.value.state == "22012"  # division by zero
        assert connection.rows("SELECT 1") == [(1,)]


def test_a_query_that_was_canceled_is_not_tried_in_another_way(administrator: Server) -> None:
    with closing(Connection(administrator)) as connection:
        timer = threading.Timer(1, connection.cancel)
        timer.start()
        started = time.monotonic()
        with pytest.raises(ServiceUnavailable):
            connection.batches("SELECT pg_sleep(3), i FROM generate_series(1, 2) AS i")
        assert time.monotonic() - started < 3
        timer.join()


def test_ctrl_c_cancels_the_servers_statement(administrator: Server, ask: Callable) -> None:
    with closing(Connection(administrator)) as connection:
        threading.Timer(0.5, connection.cancel).start()
        with pytest.raises(ServiceUnavailable):
            connection.rows("SELECT pg_sleep(60)")
        assert connection.rows("SELECT 1") == [(1,)], "the session lasts"
    assert (
        ask("SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND state = 'active' AND pid <> pg_backend_pid()")
        == []
    )


ONE_VERTEX = struct.pack("<BII2d", 1, 2, 1, 1, 2)


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("geom", pa.array([shapely.to_wkb(shapely.Point(1, 2)), ONE_VERTEX]), "at least two points"),
        ("text", pa.array(["a", "b\0c"]), "NUL"),
        ("day", pa.array([0, 2**31 - 1], pa.date32()), "range"),
    ],
)
def test_what_it_cannot_keep_names_the_feature(
    column: str, values: pa.Array, said: str, through: Callable, source: Callable, recipe: Callable
) -> None:
    given = source(pa.table({column: values}), where="files[3]: layer a")
    reading = "raw" if column == "geom" else recipe("filter", condition=given_value(column))
    with pytest.raises(Rejected) as caught:
        through(given, reading)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("not_storable", "files[3]: layer a, feature 2")
    assert said in problem.message
    if column != "geom":
        assert through(given).rows[column].combine_chunks().equals(values), "it does not see what no step reads"


def test_more_columns_than_a_table_can_have(through: Callable, source: Callable, recipe: Callable) -> None:
    table = pa.table({f"c{number}": [1] for number in range(1_700)})
    read = [given_value(name) for name in table.column_names]
    with pytest.raises(Rejected, match="1600 columns"):
        through(source(table), recipe("filter", condition={"all": read}))
    assert through(source(table)).rows.equals(table)


def given_value(column: str) -> dict[str, str]:
    return {"column": column, "op": "not_null"}


def test_a_crs_without_a_code_gets_a_number_of_its_own(ask: Callable, through: Callable, source: Callable, wkb: Callable) -> None:
    import pyproj

    crs = pyproj.CRS("+proj=tmerc +lon_0=11.5 +k=0.9996 +x_0=500000 +ellps=GRS80").to_wkt("WKT2_2019")
    for _ in range(2):
        result = through(source(pa.table({"geom": wkb("POINT (500000 0)")}), crs), "default")
        assert shapely.from_wkb(result.rows["geom"][0].as_py()).equals_exact(shapely.Point(11.5, 0), 1e-9)
    ((count,),) = ask("SELECT count(*) FROM spatial_ref_sys WHERE srid BETWEEN 910000 AND 998998 AND srtext LIKE '%11.5%'")
    assert count == 1


def test_an_engine_is_imported_without_the_other() -> None:
    for wanted, unwanted in (("libs.compute.duckdb", "adbc_driver_manager"), ("libs.compute.postgis", "duckdb")):
        code = f"import sys, {wanted}; sys.exit({unwanted!r} in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
