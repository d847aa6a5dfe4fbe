"""The code location on a stack of its own, in this process, and what an uploader does with it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from libs.models.settings import Settings
from libs.pipeline.stack import Stack
from libs.platform import open_stack
from services.dagster.etl_pipelines.assets.known import describe
from services.dagster.etl_pipelines.definitions import build_defs
from services.dagster.etl_pipelines.sensors.landing_zone import landing_zone

POINTS = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {"n": 1}, "geometry": {"type": "Point", "coordinates": [9, 53]}}],
    }
)


@dataclass
class Orchestra:
    """The platform with Dagster on it."""

    stack: Stack
    instance: dg.DagsterInstance

    @property
    def defs(self) -> dg.Definitions:
        return build_defs({"stack": self.stack}, describe(self.stack.ledger, self.stack.lake))

    def put(self, name: str, content: str = POINTS) -> str:
        self.stack.landing.store.put(f"in/{name}", content.encode())
        return self.stack.landing.store.uri(f"in/{name}")

    def submit(self, batch_id: str, path: str, **more: Any) -> str:
        """Upload a manifest for one file; its key."""
        entry = {"path": path, "type": "vector", "format": "GeoJSON"}
        manifest = {"batch_id": batch_id, "uploader": "someone", "intent": "ingest_vector", "files": [entry], **more}
        return self.stack.landing.submit(json.dumps(manifest).encode(), batch_id)

    def tick(self) -> dg.SensorResult:
        """One look of the sensor."""
        with dg.build_sensor_context(instance=self.instance, resources={"stack": self.stack}) as context:
            result = landing_zone(context)
        assert isinstance(result, dg.SensorResult)
        return result

    def create(self, request: dg.RunRequest, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        """A run as the daemon makes it of a request."""
        job = self.defs.resolve_job_def("ingest")
        return self.instance.create_run_for_job(job, run_config=dict(request.run_config), tags=dict(request.tags), status=status)

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Run what the sensor asked for."""
        return self.defs.resolve_job_def("ingest").execute_in_process(
            run_config=dict(request.run_config), tags=dict(request.tags), instance=self.instance, raise_on_error=False
        )


@pytest.fixture
def orchestra(tmp_path: Path) -> Iterator[Orchestra]:
    settings = Settings(spatial_etl_home=tmp_path / "home", _env_file=None)
    with open_stack(settings) as stack, dg.DagsterInstance.ephemeral() as instance:
        yield Orchestra(stack, instance)
