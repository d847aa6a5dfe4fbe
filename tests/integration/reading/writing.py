"""GeoJSON to read, written by hand: as odd as a test wants it."""

import json
from pathlib import Path
from typing import Any


def collection(path: Path, *features: dict[str, Any], **members: Any) -> Path:
    """A FeatureCollection of features whose usual members may be left out."""
    whole = [{"type": "Feature", "properties": {}, "geometry": None, **feature} for feature in features]
    path.write_text(json.dumps({"type": "FeatureCollection", **members, "features": whole}), encoding="utf-8")
    return path
