"""One lake file with a column of every kind, as every reader in use sees it: CRS, types, values and geometry."""

import datetime as dt
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

pytestmark = pytest.mark.integration

SHAPES = ["POINT Z (500000.5 5400000 7)", None, "LINESTRING (500000 5400000, 500100 5400100)", "POLYGON EMPTY"]
BERLIN = ZoneInfo("Europe/Berlin")
MOMENT, LONG_AGO = dt.datetime(2024, 7, 1, 12, 0, 0, 123456), dt.datetime(1850, 1, 1)  # noqa: DTZ001
COLUMNS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "n": (pa.int64(), [2**62 + 1, -(2**63), 3, 2**53 + 1]),  # none missing: pandas makes doubles of a column with gaps
    "int": (pa.int64(), [2**62 + 1, None, -5, 0]),
    "small": (pa.int32(), [1, None, -(2**31), 2]),
    "flag": (pa.bool_(), [True, None, False, True]),
    "day": (pa.date32(), [dt.date(2024, 2, 29), None, dt.date(1850, 1, 1), dt.date(2999, 12, 31)]),
    "utc": (pa.timestamp("us", tz="UTC"), [MOMENT.replace(tzinfo=dt.UTC), None, *[LONG_AGO.replace(tzinfo=dt.UTC)] * 2]),
    "berlin": (
        pa.timestamp("us", tz="Europe/Berlin"),
        [MOMENT.replace(tzinfo=BERLIN), None, *[dt.datetime(2024, 1, 1, tzinfo=BERLIN)] * 2],
    ),
    "local": (pa.timestamp("us"), [MOMENT, None, LONG_AGO, LONG_AGO]),
    "millis": (pa.timestamp("ms"), [MOMENT.replace(microsecond=1000), None, LONG_AGO, LONG_AGO]),
    "clock": (pa.time64("us"), [dt.time(23, 59, 59, 5), None, dt.time(0), dt.time(12)]),
    "price": (pa.decimal128(20, 2), [Decimal("123456789012345678.90"), None, Decimal("-0.01"), Decimal("0.00")]),
    "blob": (pa.binary(), [b"\x00\xff", None, b"", b"\n"]),
    "tags": (pa.list_(pa.field("element", pa.string())), [["a", "ü"], None, [], ["", None]]),
    "value": (pa.float64(), [0.1, None, -0.0, 1e308]),
    "text": (pa.string(), ["Straße", None, "", "道路"]),
    "both": (
        pa.struct([("a", pa.int64()), ("b", pa.string())]),
        [{"a": 2**62 + 1, "b": "x"}, None, {"a": None, "b": None}, {"a": 1, "b": ""}],
    ),
}
TYPES = {name: str(kind) for name, (kind, _) in COLUMNS.items()}
WORDS = {
    "geopandas": {"n": "int64", "utc": "datetime64[us, UTC]", "berlin": "datetime64[us, Europe/Berlin]", "geom": "geometry"},
    "dask_geopandas": {"n": "int64", "utc": "datetime64[us, UTC]", "berlin": "datetime64[us, Europe/Berlin]", "geom": "geometry"},
    "geoarrow_pyarrow": {**TYPES, "geom": "extension<geoarrow.wkb<WkbType>>"},
    "polars": {
        "n": "Int64", "day": "Date", "price": "Decimal(precision=20, scale=2)", "clock": "Time", "flag": "Boolean",
        "utc": "Datetime(time_unit='us', time_zone='UTC')", "berlin": "Datetime(time_unit='us', time_zone='Europe/Berlin')",
        "local": "Datetime(time_unit='us', time_zone=None)", "millis": "Datetime(time_unit='ms', time_zone=None)",
    },
    "pyarrow_table": {**TYPES, "geom": "binary"},
    "pyarrow_dataset": {**TYPES, "geom": "binary"},
    "sedonadb": {**TYPES, "text": "string_view", "blob": "binary_view", "geom": "extension<geoarrow.wkb<WkbType>>"},
}  # fmt: skip
"""What a reader calls the types: those that tell whether it took them right."""
PANDAS = {"geopandas", "dask_geopandas"}
DOUBLES_IN_PANDAS = {"int", "small", "both"}
"""Integers with gaps: by itself, pandas has no type for them."""


@pytest.fixture(scope="module")
def lake_file(write: Callable) -> Path:
    columns = {name: pa.array(values, kind) for name, (kind, values) in COLUMNS.items()}
    columns["geometry"] = pa.array([None if each is None else wkb(each) for each in SHAPES], pa.binary())
    described = {"encoding": "WKB", "geometry_types": [], "crs": pyproj.CRS("EPSG:25832").to_json_dict()}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": described}}
    return write(pa.table(columns).replace_schema_metadata({"geo": json.dumps(geo)}), intent="keep_crs")


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str, Path], dict[str, Any]]:
    """What a reader sees, in a home where nothing is installed."""

    def read(reader: str, path: Path) -> dict[str, Any]:
        command = [sys.executable, str(Path(__file__).with_name("reading.py")), reader, str(path)]
        done = subprocess.run(command, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        seen: dict[str, Any] = pickle.loads(done.stdout)
        return seen

    return read


def wkb(text: str) -> bytes:
    encoded: bytes = shapely.to_wkb(shapely.from_wkt(text), flavor="iso")
    return encoded


def by_n(columns: dict[str, list]) -> dict[int, dict[str, Any]]:
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return {row["n"]: row for row in rows}


def plain(value: Any) -> Any:
    """Without what differs between readers and means the same: pandas' own missing values and times, arrays of NumPy."""
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime() if value == value else None  # noqa: PLR0124 - NaT
    if hasattr(value, "tolist"):
        value = value.tolist()
    return None if value != value else value  # noqa: PLR0124 - NaN


@pytest.mark.parametrize("reader", WORDS)
def test_a_reader_sees_everything(reader: str, lake_file: Path, read: Callable) -> None:
    seen = read(reader, lake_file)
    assert pyproj.CRS(seen["crs"]) == pyproj.CRS("EPSG:25832")
    assert {name: seen["types"][name] for name in WORDS[reader]} == WORDS[reader]

    expected = {name: values for name, (_, values) in COLUMNS.items()}
    expected["geom"] = [None if each is None else wkb(each) for each in SHAPES]
    rows = by_n(seen["columns"])
    assert set(rows) == set(expected["n"])
    for n, row in by_n(expected).items():
        for name, value in row.items():
            if name in DOUBLES_IN_PANDAS and reader in PANDAS:
                continue
            found = plain(rows[n][name])
            assert found == value, (n, name)
            if isinstance(value, dt.datetime):
                assert (found.tzinfo is None, found.utcoffset()) == (value.tzinfo is None, value.utcoffset()), (n, name)


def test_duckdb_sees_everything(lake_file: Path, sql: Callable) -> None:
    types = {name: kind for name, kind, *_ in sql(f"DESCRIBE FROM '{lake_file}'")}
    expected_types = {
        "n": "BIGINT", "int": "BIGINT", "small": "INTEGER", "flag": "BOOLEAN", "day": "DATE", "utc": "TIMESTAMP WITH TIME ZONE",
        "berlin": "TIMESTAMP WITH TIME ZONE", "local": "TIMESTAMP", "millis": "TIMESTAMP", "clock": "TIME",
        "price": "DECIMAL(20,2)", "blob": "BLOB", "tags": "VARCHAR[]", "value": "DOUBLE", "text": "VARCHAR",
        "both": "STRUCT(a BIGINT, b VARCHAR)", "geom": "GEOMETRY('EPSG:25832')",
    }  # fmt: skip
    assert {name: types[name] for name in expected_types} == expected_types
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    rows = {row[0]: row[1:] for row in sql(f"SELECT {names}, ST_AsWKB(geom)::BLOB FROM '{lake_file}'")}
    values = [values for _, values in COLUMNS.values()] + [[None if each is None else wkb(each) for each in SHAPES]]
    assert rows == {n: tuple(rest) for n, *rest in zip(*values, strict=True)}


def test_the_checks_of_geoparquet_io(lake_file: Path, read: Callable) -> None:
    seen = read("geoparquet_io", lake_file)
    about = {name: said for name, said in seen["specification"].items() if said[0] != "PASSED"}
    assert about.keys() == {"orientation_matches_data_geom"}, about  # skipped: the file claims none
    assert all(passed and not issues for passed, issues in seen["structure"].values()), seen["structure"]


def test_the_arrow_schema_of_a_table_has_its_types(write: Callable) -> None:
    """There is no more than one Arrow schema, and no GeoParquet where there is no geometry."""
    path = write(
        pa.table({name: pa.array(values, kind) for name, (kind, values) in COLUMNS.items()}), "ingest_tabular", type="tabular"
    )
    table = pq.read_table(path)
    assert {field.name: str(field.type) for field in table.schema} == TYPES
    assert not table.schema.metadata
    assert list(pq.read_metadata(path).metadata) == [b"ARROW:schema"]
