"""Reading a file as the pipeline does, and a small layer to write in whatever format."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely

from libs.models import ColumnNotes, FileSpec, Problem, Rejected
from libs.spatial_utils.reading import Layer, ReadLimits, open_source

pytestmark = pytest.mark.integration


@dataclass
class Read:
    """What came out of a file."""

    layers: dict[str, Layer] = field(default_factory=dict)
    tables: dict[str, pa.Table] = field(default_factory=dict)
    notes: dict[str, dict[str, ColumnNotes]] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)
    inferred: bool = False

    @property
    def table(self) -> pa.Table:
        (table,) = self.tables.values()
        return table

    @property
    def layer(self) -> Layer:
        (layer,) = self.layers.values()
        return layer

    @property
    def geometries(self) -> list[Any]:
        return [None if wkb is None else shapely.from_wkb(wkb) for wkb in self.table.column("geom").to_pylist()]


Reader = Callable[..., Read]


@pytest.fixture
def read() -> Reader:
    def read_file(
        path: Path,
        format: str,  # noqa: A002
        *,
        limits: ReadLimits | None = None,
        type: str = "vector",  # noqa: A002
        full_scan: bool = True,
        named: Collection[str] = (),
        **spec: Any,
    ) -> Read:
        result = Read()
        manifest = FileSpec(path=f"s3://landing-zone/{path.name}", type=type, format=format, **spec)
        with open_source(
            path, manifest, "files[0]", limits or ReadLimits(seconds=60), full_scan=full_scan, named=named
        ) as source:
            result.inferred = source.inferred
            for stream in source.streams():
                batches = list(stream)
                name = stream.layer.name
                result.layers[name] = stream.layer
                result.tables[name] = pa.Table.from_batches(batches, stream.schema)
                result.notes[name] = {
                    column: known for column, known in zip(stream.schema.names, stream.notes, strict=True) if known
                }
                result.counts[name] = dict(stream.counts)
            result.warnings = list(source.warnings)
        return result

    return read_file


@pytest.fixture
def refused(read: Reader) -> Callable[..., Problem]:
    """The one problem that a file is rejected for."""

    def refuse(path: Path, format: str, **spec: Any) -> Problem:  # noqa: A002
        with pytest.raises(Rejected) as caught:
            read(path, format, **spec)
        assert caught.value.problems
        for problem in caught.value.problems:
            assert problem.where.startswith("files[0]")
            assert problem.remedy
            assert problem.message
        return caught.value.problems[0]

    return refuse


@pytest.fixture
def places() -> gpd.GeoDataFrame:
    """A hundred points with attributes of the common types, and nulls."""
    rows = 100
    return gpd.GeoDataFrame(
        {
            "number": pd.array([None if i == 3 else i for i in range(rows)], "Int32"),
            "large": np.arange(rows, dtype="int64") + 9_007_199_254_740_993,
            "real": np.linspace(0, 1, rows),
            "text": [None if i == 5 else f"Zürich {i}" for i in range(rows)],
            "day": pd.array([date(2024, 2, 1 + i % 28) for i in range(rows)], pd.ArrowDtype(pa.date32())),
        },
        geometry=shapely.points(np.linspace(5, 10, rows), np.linspace(45, 48, rows)),
        crs="EPSG:4326",
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_file(frame: gpd.GeoDataFrame, name: str, driver: str, **options: Any) -> Path:
        path = tmp_path / name
        frame.to_file(path, driver=driver, engine="pyogrio", use_arrow=True, **options)
        return path

    return write_file
