"""Files read by GDAL alone, without the guards of the worker."""

import json
import re
import warnings
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
import shapely

import libs.spatial_utils.worker

_UPSTREAM = re.compile(r"[\w-]+/[\w-]+#[0-9]+|[Nn]o upstream issue is known")
WORKER = Path(libs.spatial_utils.worker.__file__).parent


def table(path: Path, **options: Any) -> pa.Table:
    """A file as GDAL's Arrow stream has it, by pyogrio."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pyogrio.read_arrow(path, **options)[1]


def shapes(read: pa.Table) -> list[Any]:
    """Its geometries."""
    return [None if wkb is None else shapely.from_wkb(wkb) for wkb in read.column(read.num_columns - 1).to_pylist()]


def still_lost(lost: bool, guard: str, read: Any) -> None:
    """Fail if GDAL has stopped to lose something.

    Args:
        lost: Whether it is lost.
        guard: The module in ``worker/`` that looks for it.
        read: What GDAL made of the file.
    """
    module = WORKER / guard
    assert module.is_file(), f"the guard {guard} has moved: name its new place here"
    assert _UPSTREAM.search(module.read_text(encoding="utf-8")), f"{guard} does not say what is known of this upstream"
    assert lost, f"GDAL {pyogrio.__gdal_version_string__} keeps this now: the guard in {guard} can go. It reads: {read!r}"


def collection(path: Path, *features: dict[str, Any] | str, **members: Any) -> Path:
    """A GeoJSON file of features; a text is written as it stands."""
    listed = ",".join(each if isinstance(each, str) else json.dumps(each) for each in features)
    more = "".join(f"{json.dumps(name)}:{json.dumps(value)}," for name, value in members.items())
    path.write_text(f'{{"type":"FeatureCollection",{more}"features":[{listed}]}}', encoding="utf-8")
    return path


def feature(geometry: Any = None, **properties: Any) -> dict[str, Any]:
    """A feature of GeoJSON."""
    return {"type": "Feature", "geometry": geometry or {"type": "Point", "coordinates": [8, 47]}, "properties": properties}
