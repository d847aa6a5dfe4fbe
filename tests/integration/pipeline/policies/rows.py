"""What became of the rows of a batch, as tests of policies look at it."""

from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
import pyarrow.parquet as pq

from libs.models import Asset, FileRole, Report
from tests.integration.pipeline.conftest import Platform

CASES = Path(__file__).parents[3] / "data" / "cases"
XY = {"x": "x", "y": "y"}
BAD = "id,x,y\n1,7.5,46.5\n2,7.6,46.x5\n3,NA,NA\n4,1.2.3,4.5.6\n"


def csv(platform: Platform, text: str, **more: Any) -> dict[str, Any]:
    return platform.entry(platform.put("in/a.csv", text), crs="EPSG:4326", options=XY, **more)


def rejects(platform: Platform, asset: Asset) -> pd.DataFrame:
    (file,) = [file for file in asset.files if file.role == FileRole.REJECTS]
    read = geopandas.read_parquet if asset.has_geometry else pd.read_parquet
    return read(platform.stack.lake.store.root / file.key)


def data(platform: Platform, asset: Asset) -> pd.DataFrame:
    (file,) = [file for file in asset.files if file.role == FileRole.DATA]
    return pq.read_table(platform.stack.lake.store.root / file.key).to_pandas()


def ids(frame: pd.DataFrame) -> list[int]:
    return sorted(map(int, frame["id"]))


def only_problem(report: Report) -> Any:
    (problem,) = report.problems
    return problem
