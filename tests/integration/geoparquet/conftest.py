"""Lake files, and DuckDB as one of their readers."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_spatial
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from libs.models import Status
from libs.models.settings import Settings
from libs.pipeline.process import process
from libs.platform import open_stack


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """Takes a frame of pandas or a table of Arrow through the platform; the lake file that comes out."""
    home = tmp_path_factory.mktemp("home")
    with open_stack(Settings(spatial_etl_home=home, _env_file=None)) as stack:

        def write(frame: Any, intent: str = "raw", **entry: Any) -> Path:
            number = len(list(stack.ledger.assets()))
            (home / "landing-zone" / "in").mkdir(exist_ok=True)
            source = home / "landing-zone" / "in" / f"d{number}.parquet"
            if isinstance(frame, pa.Table):
                pq.write_table(frame, source)
            else:
                frame.to_parquet(source)
            spec = {"path": f"s3://landing-zone/in/d{number}.parquet", "type": "vector", "format": "GeoParquet", **entry}
            manifest = {"batch_id": f"b{number}", "uploader": "u", "intent": intent, "files": [spec]}
            stack.landing.submit(json.dumps(manifest).encode(), f"b{number}")
            (report,) = process(stack)
            assert (report.status, report.problems) == (Status.SUCCESS, ())
            return stack.lake.store.root / report.datasets[0].files[0].uri.removeprefix(stack.lake.uri(""))

        yield write


@pytest.fixture(scope="module")
def extension() -> Path:
    """The spatial extension as it was installed with the wheel."""
    (found,) = Path(duckdb_extension_spatial.__file__).parent.rglob("spatial.duckdb_extension")
    return found


@pytest.fixture(scope="module")
def sql(extension: Path) -> Iterator[Callable[[str], list[tuple]]]:
    """Another DuckDB than the platform's own."""
    with duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}) as connection:
        connection.execute(f"LOAD '{extension}'")
        yield lambda query: connection.execute(query).fetchall()
