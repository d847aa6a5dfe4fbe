"""Every engine behind the seam, and a short way through one of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely

from libs.compute.engine import ComputeEngine, Source
from libs.models import BBox, Changes, Policies, Problem
from libs.transformations import Recipe, Registry
from services.local import Service
from tests.integration.compute.worker import ENGINES
from tests.services import GivenService


@dataclass
class Result:
    """What came out of an engine."""

    rows: pa.Table
    crs: str | None
    features: int
    bbox: BBox | None
    changes: Changes
    warnings: tuple[Problem, ...]
    set_aside: int
    rejects: list[dict[str, Any]]
    broken_rules: dict[int, tuple[int, str]]


@pytest.fixture(scope="session", params=sorted(ENGINES))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", autouse=True)
def server(kind: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """The server of an engine that has one, for this process and those that it starts; other folders' tests have none."""
    with pytest.MonkeyPatch.context() as patched:
        if kind == "postgis":
            service: Service | GivenService = request.getfixturevalue("postgis")
            for name, value in service.environment.items():
                patched.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def engine(kind: str, server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeEngine]:
    """An engine for all tests that leave none of it behind: which each of them thereby checks."""
    engine = ENGINES[kind](tmp_path_factory.mktemp("engine"))
    yield engine
    engine.close()


@pytest.fixture
def new_engine(kind: str, tmp_path: Path) -> Iterator[Callable[..., ComputeEngine]]:
    """Opens further engines on one scratch folder, ``tmp_path``."""
    with ExitStack() as opened:

        def new_engine(**options: int) -> ComputeEngine:
            engine = ENGINES[kind](tmp_path, **options)
            opened.callback(engine.close)
            return engine

        yield new_engine


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    """A built-in recipe with its parameters bound."""
    return lambda name, **parameters: Registry().recipes[name].bind(parameters)


@pytest.fixture
def wkb() -> Callable[..., pa.Array]:
    """A geometry column from WKT, or nulls."""

    def wkb(*shapes: str | None) -> pa.Array:
        geometries = [None if shape is None else shapely.from_wkt(shape) for shape in shapes]
        return pa.array(
            [None if each is None else shapely.to_wkb(each, byte_order=1, flavor="iso") for each in geometries], pa.binary()
        )

    return wkb


@pytest.fixture
def source() -> Callable[..., Source]:
    """A table as a source: a layer if it has the column ``geom``."""

    def source(table: pa.Table, crs: str | None = "EPSG:4326", where: str = "files[0]: layer a", **changes: Any) -> Source:
        batches = changes.get("batches", table.to_batches())
        return Source(table.schema, crs if "geom" in table.column_names else None, batches, where)

    return source


@pytest.fixture
def through(engine: ComputeEngine, recipe: Callable[..., Recipe], tmp_path: Path) -> Callable[..., Result]:
    """Takes sources through a recipe in a workspace, and gives all that comes out."""

    def through(
        sources: Sequence[Source] | Source,
        by: Recipe | str = "raw",
        *,
        run_id: str = "run#1",
        on: ComputeEngine = engine,
        policies: Policies | None = None,
        inputs: Mapping[str, Source] | None = None,
    ) -> Result:
        with on.workspace(run_id, tmp_path) as workspace:
            for name, each in (inputs or {}).items():
                workspace.add_input(name, each)
            table = workspace.dataset(recipe(by) if isinstance(by, str) else by, policies)
            for each in [sources] if isinstance(sources, Source) else sources:
                table.load(each)
            processed = table.finish()
            rows = pa.Table.from_batches(processed.batches(), processed.schema)
            rejects = [row for batch in processed.rejects() for row in batch.to_pylist()]
            return Result(
                rows, processed.crs, processed.features, processed.bbox, processed.changes, processed.warnings,
                processed.set_aside, rejects, dict(processed.broken_rules),
            )  # fmt: skip

    return through
