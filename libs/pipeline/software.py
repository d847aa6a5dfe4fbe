"""The versions of what a run runs on, as its record keeps them."""

import platform
from functools import lru_cache
from importlib.metadata import version

from libs.compute.engine import ComputeEngine
from libs.pipeline.build import build


def software_versions(engine: ComputeEngine) -> dict[str, str]:
    """Versions by name: this program with its commit, Python, the reader (its wheel carries GDAL), the writer and the engine."""
    return _installed() | engine.versions()


@lru_cache(maxsize=1)
def _installed() -> dict[str, str]:
    packages = {name: version(name) for name in ("pyogrio", "pyarrow")}
    return {"python": platform.python_version(), "spatial-etl": build(), **packages}
