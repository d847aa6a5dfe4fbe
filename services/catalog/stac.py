"""Versions as STAC (1.1): a dataset is a Collection, each of its versions an Item, each file of a version an Asset."""

from collections.abc import Mapping, Sequence
from typing import Any

from libs.models import Asset, BBox, FileRole, LakeFile
from libs.models.asset import RasterBand, RasterSummary
from libs.spatial_utils.crs import Crs
from services.catalog import pictures
from services.catalog.features import extent
from services.catalog.ranges import media_type
from services.catalog.versions import Version, moment

VERSION = "1.1.0"
_EXTENSIONS = "https://stac-extensions.github.io"
PROJECTION, TABLE, RASTER, FILE, VERSIONED = (
    f"{_EXTENSIONS}/{name}/schema.json"
    for name in ("projection/v2.0.0", "table/v1.2.0", "raster/v2.0.0", "file/v2.1.0", "version/v1.2.0")
)
GEOJSON = "application/geo+json"
_SHA256 = "1220"
"""What a multihash of SHA-256 begins with: its code, and its length of 32 bytes."""
_PIXELS = {*(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)), "float16", "float32", "float64"}
_WORLD = (-180.0, -90.0, 180.0, 90.0)


def item(asset: Asset, base: str) -> dict[str, Any]:
    """A version.

    Args:
        asset: The version.
        base: Where the catalog is, ``http://127.0.0.1:8080``.
    """
    where = extent(asset.crs, asset.bbox)
    address = f"{base}/stac/collections/{asset.dataset_id}"
    here = f"{base}/datasets/{asset.dataset_id}/{asset.version}"
    links = [
        link(f"{address}/items/{asset.id}", "self", "This document", GEOJSON),
        link(f"{base}/stac", "root", "The datasets of this lake"),
        link(address, "parent", "The dataset"),
        link(address, "collection", "The dataset"),
        link(here, "alternate", "The same for people", "text/html"),
    ]
    if asset.previous is not None:
        before = f"{asset.dataset_id}@{asset.previous}"
        links.append(link(f"{address}/items/{before}", "predecessor-version", f"Version {asset.previous}", GEOJSON))
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": _used(asset),
        "id": asset.id,
        "collection": asset.dataset_id,
        "geometry": None if where is None else _shape(where),
        **({} if where is None else {"bbox": where}),
        "properties": {
            "datetime": moment(asset),
            "created": moment(asset),
            "title": f"{asset.title or asset.dataset_id}, version {asset.version}",
            "version": str(asset.version),
            **_projection(asset),
            **_table(asset),
        },
        "links": links,
        "assets": {file.name: _file(asset, file, here) for file in asset.files} | _thumbnail(asset, base),
    }


def collection(asset: Asset, versions: Sequence[Version], base: str) -> dict[str, Any]:
    """A dataset.

    Args:
        asset: Its current version.
        versions: All of them, in the order of their numbers.
        base: Where the catalog is.
    """
    address = f"{base}/stac/collections/{asset.dataset_id}"
    times = [each.created for each in versions] or [moment(asset)]
    owner = asset.owner
    return {
        "type": "Collection",
        "stac_version": VERSION,
        "stac_extensions": [],
        "id": asset.dataset_id,
        "title": asset.title or asset.dataset_id,
        "description": f"Version {asset.version} is the current one of {max(1, len(versions))}.",
        "license": "other",
        **({"providers": [{"name": owner.project or owner.uploader, "roles": ["producer"]}]} if owner else {}),
        "extent": {
            "spatial": {"bbox": [extent(asset.crs, asset.bbox) or _WORLD]},
            "temporal": {"interval": [[min(times), max(times)]]},
        },
        "links": [
            link(address, "self", "This document"),
            link(f"{base}/stac", "root", "The datasets of this lake"),
            link(f"{base}/stac", "parent", "The datasets of this lake"),
            link(f"{address}/items", "items", "Its versions", GEOJSON),
            link(f"{address}/items/{asset.id}", "item", "The current version", GEOJSON),
            link(f"{base}/datasets/{asset.dataset_id}", "alternate", "The same for people", "text/html"),
        ],
    }


def link(address: str, rel: str, title: str, kind: str = "application/json") -> dict[str, Any]:
    """A link."""
    return {"href": address, "rel": rel, "type": kind, "title": title}


def _used(asset: Asset) -> list[str]:
    """The extensions of an item."""
    raster = isinstance(asset.summary, RasterSummary)
    wanted = {FILE: True, VERSIONED: True, PROJECTION: asset.crs is not None, TABLE: bool(asset.table_schema), RASTER: raster}
    return [extension for extension, is_used in wanted.items() if is_used]


def _projection(asset: Asset) -> dict[str, Any]:
    if asset.crs is None:
        return {}
    has_code = ":" in asset.crs and "[" not in asset.crs
    said: dict[str, Any] = {"proj:code": asset.crs if has_code else None}
    if not has_code:
        said |= {"proj:wkt2": asset.crs, "proj:projjson": Crs(asset.crs).projjson}
    if asset.bbox is not None:
        said["proj:bbox"] = asset.bbox
    if isinstance(asset.summary, RasterSummary):
        said["proj:shape"] = [asset.summary.height, asset.summary.width]
        if asset.summary.transform is not None:
            x, across, x_down, y, y_across, down = asset.summary.transform
            said["proj:transform"] = [across, x_down, x, y_across, down, y]
    return said


def _table(asset: Asset) -> dict[str, Any]:
    if not asset.table_schema:
        return {}
    meanings = asset.meanings
    columns = [
        {"name": field.name, "type": field.type} | ({"description": meanings[field.name]} if field.name in meanings else {})
        for field in asset.table_schema
    ]
    primary = {"table:primary_geometry": "geom"} if asset.has_geometry else {}
    return {"table:columns": columns, "table:row_count": asset.features or 0, **primary}


def _file(asset: Asset, file: LakeFile, here: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "href": f"{here}/{file.name}",
        "type": media_type(file.name),
        "roles": [file.role],
        "file:size": file.bytes,
        "file:checksum": _SHA256 + file.sha256,
    }
    if isinstance(asset.summary, RasterSummary) and file.role == FileRole.DATA:
        said["bands"] = [_band(band) for band in asset.summary.bands]
    return said


def _band(band: RasterBand) -> dict[str, Any]:
    said: dict[str, Any] = {"data_type": band.type if band.type in _PIXELS else "other"}
    if band.name:
        said["name"] = band.name
    if band.nodata is not None:
        said["nodata"] = _number(band.nodata)
    if band.unit:
        said["unit"] = band.unit
    if band.scale is not None:
        said["raster:scale"] = band.scale
    if band.offset is not None:
        said["raster:offset"] = band.offset
    statistics: Mapping[str, float | None] = {
        "minimum": band.minimum, "maximum": band.maximum, "mean": band.mean, "stddev": band.deviation,
    }  # fmt: skip
    if known := {name: value for name, value in statistics.items() if value is not None}:
        said["statistics"] = known
    return said


def _number(text: str) -> float | int | str:
    """A nodata value: a number, or the words that STAC has for those that JSON lacks."""
    if text.lower() in {"nan", "inf", "-inf"}:
        return text.lower()
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _thumbnail(asset: Asset, base: str) -> dict[str, Any]:
    if not pictures.is_drawn(asset):
        return {}
    address = f"{base}/pictures/{asset.dataset_id}/{asset.version}"
    return {"thumbnail": {"href": address, "type": "image/svg+xml", "roles": ["thumbnail"], "title": "A drawing of it"}}


def _shape(where: BBox) -> dict[str, Any]:
    """An extent as a geometry, also where it is a point or a line."""
    west, south, east, north = where
    if (west, south) == (east, north):
        return {"type": "Point", "coordinates": [west, south]}
    if west == east or south == north:
        return {"type": "LineString", "coordinates": [[west, south], [east, north]]}
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}
