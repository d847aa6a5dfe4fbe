"""What ``spatial-etl --version`` says. Imports the libraries whose versions are compiled in, but starts no engine."""

import platform
from collections.abc import Callable
from importlib.metadata import version

from libs.pipeline.build import build


def version_text() -> str:
    """This program's release and commit, then what it reads and computes with."""
    told = ", ".join(f"{name} {number}" for name, number in library_versions().items())
    return f"spatial-etl {build()} (Python {platform.python_version()})\n{told}"


def library_versions() -> dict[str, str]:
    """The versions of what is compiled in, by name."""
    libraries = {"GDAL": _gdal, "PROJ": _proj, "GEOS": _geos, "DuckDB": _duckdb}
    return {name: _number(look) for name, look in libraries.items()}


def _number(look: Callable[[], str]) -> str:
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - the rest is wanted just where something is broken
        return f"not usable ({error})"


def _gdal() -> str:
    """Of the reading process, the only one that loads GDAL."""
    from libs.spatial_utils.reading import sandbox_features

    return str(sandbox_features()["gdal"])


def _proj() -> str:
    from pyproj import proj_version_str

    return proj_version_str


def _geos() -> str:
    """Shapely's; DuckDB's spatial extension has its own, which it does not tell."""
    from shapely import geos_version_string

    return str(geos_version_string)


def _duckdb() -> str:
    return version("duckdb")
