"""The profile of a version agrees with pandas, and drift is found where there is some."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from libs.models import Rejected, Status
from libs.pipeline.version_profile import drift, profiles

pytestmark = pytest.mark.integration


def deliver(platform: Any, batch: str, frame: pd.DataFrame) -> None:
    path = platform.home / f"{batch}.parquet"
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    entry = platform.entry(platform.put(f"in/{batch}.parquet", path), type="tabular", dataset_id="a")
    report = platform.ingest(batch, entry, intent="ingest_tabular")
    assert report.status is Status.SUCCESS, report.problems


@pytest.fixture
def frame() -> pd.DataFrame:
    random = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "whole": random.integers(0, 1000, 500),
            "real": np.where(random.random(500) < 0.1, np.nan, random.normal(size=500)),
            "word": random.choice(["a", "b", "c", None], 500, p=[0.5, 0.3, 0.1, 0.1]),
            "day": pd.to_datetime("2024-01-01") + pd.to_timedelta(random.integers(0, 100, 500), unit="D"),
            "odd": [math.inf, -math.inf, *range(498)],
        }
    )


def test_it_agrees_with_pandas(platform: Any, frame: pd.DataFrame) -> None:
    deliver(platform, "b1", frame)
    now, then = profiles(platform.stack, platform.asset("a"))
    assert (then, now.features, now.distinct_is_estimated, now.geometry) == (None, 500, False, None)
    found = {each.name: each for each in now.columns}
    for name in frame:
        assert found[name].nulls == frame[name].isna().sum(), name
        assert found[name].distinct == frame[name].nunique(), name
    assert (found["whole"].least, found["whole"].most) == (str(frame["whole"].min()), str(frame["whole"].max()))
    assert found["real"].mean == pytest.approx(frame["real"].mean())
    assert list(found["whole"].histogram) == np.histogram(frame["whole"], 10)[0].tolist()
    assert list(found["real"].histogram) == np.histogram(frame["real"].dropna(), 10)[0].tolist()
    assert (found["odd"].ends, sum(found["odd"].histogram)) == ((0.0, 497.0), 498), "what is infinite is in no bin"
    assert found["word"].frequent == tuple(frame["word"].value_counts().head(5).items())
    assert sum(found["day"].histogram) == 500
    assert platform.transient() == []


def test_drift(platform: Any, frame: pd.DataFrame) -> None:
    deliver(platform, "b1", frame)
    deliver(platform, "b2", frame.sample(frac=1, random_state=1))
    now, then = profiles(platform.stack, platform.asset("a", 2), platform.asset("a", 1))
    assert drift(now, then) == [], "the order of rows is no drift"
    other = frame.head(400).drop(columns="odd").assign(
        whole=frame["whole"] + 600, word=frame["word"].replace("b", "c"), real=frame["real"].where(frame.index % 2 == 0), new=1
    )  # fmt: skip
    deliver(platform, "b3", other)
    now, then = profiles(platform.stack, platform.asset("a", 3), platform.asset("a", 1))
    messages = {(each.where, each.message.split(":")[0].split(" (")[0]) for each in drift(now, then)}
    assert messages == {
        ("features", "500 then, 400 now"), ("whole", "another distribution"), ("real", "nulls"), ("word", "'c'"),
        ("new", "new"), ("odd", "gone"),
    }  # fmt: skip


def test_geometries(platform: Any) -> None:
    shapes = ["Point(1 2)", "Point EMPTY", "", "LineString(0 0, 1 1, 2 0)"]
    text = "id,wkt\n" + "".join(f'{number},"{shape}"\n' for number, shape in enumerate(shapes))
    entry = platform.entry(platform.put("in/a.csv", text), crs="EPSG:4326", options={"wkt": "wkt"}, dataset_id="a")
    assert platform.ingest("b1", entry).status is Status.SUCCESS
    now, _ = profiles(platform.stack, platform.asset("a"))
    assert now.geometry is not None
    assert now.geometry.model_dump() == {
        "types": {"LineString": 1, "Point": 2}, "missing": 1, "empty": 1, "vertices": 4, "most_vertices": 3,
    }  # fmt: skip


def test_a_damaged_file_is_not_profiled(platform: Any, frame: pd.DataFrame) -> None:
    deliver(platform, "b1", frame)
    asset = platform.asset("a")
    path = platform.stack.lake.store.root / asset.files[0].key
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Rejected, match="changed or damaged"):
        profiles(platform.stack, asset)
