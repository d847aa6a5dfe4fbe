"""The smallest useful file, and landing zones full of it."""

import json
from pathlib import Path

_FEATURE = {
    "type": "Feature",
    "properties": {"name": "here", "level": 1},
    "geometry": {"type": "Point", "coordinates": [9.0, 53.5]},
}
CONTENT = json.dumps({"type": "FeatureCollection", "features": [_FEATURE]}).encode()


def one_feature(folder: Path) -> Path:
    """A GeoJSON file with one point."""
    path = folder / "one.geojson"
    path.write_bytes(CONTENT)
    return path


def fill_landing_zone(home: Path, batches: int, first: int = 0) -> None:
    """Lay down batches of one file each, numbered from ``first``, as an uploader does: the raw file, then its manifest, whole."""
    landing = home / "landing-zone"
    (landing / "manifests").mkdir(parents=True, exist_ok=True)
    for number in range(first, first + batches):
        batch_id = f"small-{number:03}"
        (landing / batch_id).mkdir()
        (landing / batch_id / "one.geojson").write_bytes(CONTENT)
        manifest = {
            "batch_id": batch_id,
            "uploader": "benchmark",
            "intent": "ingest_vector",
            "files": [{"path": f"s3://landing-zone/{batch_id}/one.geojson", "type": "vector", "format": "GeoJSON"}],
            "metadata": {"project": batch_id},
        }
        (new := landing / batch_id / "manifest").write_text(json.dumps(manifest))
        new.rename(landing / "manifests" / f"{batch_id}.json")
