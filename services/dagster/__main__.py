"""``python -m services.dagster``: Dagster in the foreground, on what the settings choose, until Ctrl-C. ``make up`` runs it.

A process that ends by itself is started again. Where DAGSTER_POSTGRES_HOST is set, Dagster's own records lie in that server.
"""

import argparse
import os
import signal
import time
from importlib.util import find_spec
from pathlib import Path

from services.dagster.processes import DidNotStart, Processes
from services.dagster.shown import Shown


def main() -> None:
    """Start, watch, and end in order."""
    parser = argparse.ArgumentParser(prog="python -m services.dagster", description=__doc__)
    parser.add_argument("--port", type=int, default=3000, help="of the user interface (%(default)s)")
    port: int = parser.parse_args().port
    if missing := [name for name in ("dagster", "dagster_webserver", "dagster_postgres") if find_spec(name) is None]:
        parser.error(f"{missing[0]} is not installed. Install it: pip install 'spatial-etl[dagster]' dagster-webserver")
    if os.environ.get("DAGSTER_POSTGRES_HOST"):
        _make_database()
    processes = Processes(Path(os.environ.get("SPATIAL_ETL_HOME", "var")) / "dagster", port=port)
    for ending in (signal.SIGINT, signal.SIGTERM):  # whoever is started in the background has the first ignored
        signal.signal(ending, signal.default_int_handler)
    try:
        shown = Shown(processes.reload)
        processes.start()
        print(f"Dagster's UI is at {processes.url}; its logs are in {processes.folder}. Ctrl-C ends it.", flush=True)  # noqa: T201
        while True:
            for name in [name for name, process in processes.running.items() if process.poll() is not None]:
                print(f"The {name} ended and is started again.", flush=True)  # noqa: T201
                try:
                    processes.start(name)
                except DidNotStart as error:  # its turn comes again: what it needs may be back by then
                    print(error, flush=True)  # noqa: T201
            shown.refresh()
            time.sleep(1)
    except KeyboardInterrupt:
        pass
    finally:
        processes.stop()


def _make_database() -> None:
    """The database for Dagster's records, unless it is there."""
    import psycopg2
    from psycopg2 import errors, sql

    name = os.environ["DAGSTER_POSTGRES_DB"]
    connection = psycopg2.connect(
        host=os.environ["DAGSTER_POSTGRES_HOST"],
        port=os.environ["DAGSTER_POSTGRES_PORT"],
        user=os.environ["DAGSTER_POSTGRES_USER"],
        password=os.environ["DAGSTER_POSTGRES_PASSWORD"],
        dbname="postgres",
    )
    connection.autocommit = True  # a database is not made in a transaction
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except errors.DuplicateDatabase:
        pass
    finally:
        connection.close()


if __name__ == "__main__":
    main()
