"""JSON-FG, GeoRSS and web pages on the whole way: proposed, inspected, ingested, counted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapely

from libs.models import Status
from libs.models.settings import Settings
from libs.pipeline.delivery import local_files
from libs.platform.inspection import inspect

pytestmark = pytest.mark.integration


def json_fg() -> str:
    def feature(number: int, kind: str) -> dict[str, Any]:
        place = {"type": "Point", "coordinates": [5_500_000 + number, 4_500_000]}
        time = {"timestamp": "2024-05-01T10:00:00Z"}
        return {
            "type": "Feature",
            "featureType": kind,
            "properties": {"n": number},
            "place": place,
            "geometry": None,
            "time": time,
        }

    features = [feature(number, kind) for number, kind in enumerate(("tree", "tree", "pond"))]
    about = {"conformsTo": ["http://www.opengis.net/spec/json-fg-1/1.0/conf/core"], "coordRefSys": "[EPSG:31468]"}
    return json.dumps({"type": "FeatureCollection", **about, "features": features})


def feed() -> str:
    items = "".join(f"<item><title>{n}</title><georss:point>{40 + n} 8</georss:point></item>" for n in range(3))
    return f'<rss version="2.0" xmlns:georss="http://www.georss.org/georss"><channel>{items}</channel></rss>'


def page(geojson: Callable[..., str]) -> str:
    return f"<html><script>var a = {geojson(2)};\nL.geoJson({geojson(1)});</script></html>"


@pytest.mark.parametrize(
    ("name", "format_", "datasets", "point"),
    [
        ("trees.json", "JSON-FG", {"tree": 2, "pond": 1}, (11.998527, 49.636723)),
        ("quakes.xml", "GeoRSS", {"": 3}, (8, 40)),
        ("map.html", "HTML", {"a": 2, "geojson_1": 1}, (0, 0)),
    ],
)
def test_from_the_file_to_the_lake(
    platform: Any,
    geojson: Callable[..., str],
    tmp_path: Path,
    name: str,
    format_: str,
    datasets: dict[str, int],
    point: tuple[float, float],
) -> None:
    content = {"JSON-FG": json_fg, "GeoRSS": feed, "HTML": lambda: page(geojson)}[format_]()
    (tmp_path / name).write_text(content)
    (file,) = local_files([tmp_path / name])
    seen = inspect(Settings(spatial_etl_home=tmp_path / "none", _env_file=None), file, "someone", {}, {})
    assert (seen.format, [layer.features for layer in seen.layers]) == (format_, [*datasets.values()])

    report = platform.ingest("b1", platform.entry(platform.put(f"in/{name}", content), format=format_))
    assert report.status is Status.SUCCESS, report.problems
    stem = Path(name).stem
    tables = {layer: platform.read(f"{stem}.{layer}" if layer else stem) for layer in datasets}
    assert {layer: table.num_rows for layer, table in tables.items()} == datasets
    first = next(iter(tables.values()))
    assert shapely.from_wkb(first.column("geom")[0].as_py()).distance(shapely.Point(point)) < 1e-4


def test_half_a_collection_of_a_page_is_no_success(platform: Any, geojson: Callable[..., str]) -> None:
    content = f"<html><script>var a = {geojson(3)[:-2]},]}};</script></html>"
    report = platform.ingest("b1", platform.entry(platform.put("in/map.html", content), format="HTML"))
    assert (report.status, [problem.code for problem in report.problems]) == (Status.REJECTED, ["unreadable"])
    assert platform.lies_in("lake") == []
