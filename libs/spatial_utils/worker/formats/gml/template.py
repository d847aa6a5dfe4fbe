"""A list of properties (GFS) for GDAL in which every geometry of a feature has a place: without one, it keeps the first.

No upstream issue is known (GDAL 3.12.4).
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from libs.spatial_utils.worker.formats.gml.guard import GmlGuard
from libs.spatial_utils.worker.ogr.gdal import Gdal

_LARGEST_COPY = 256 * 1024 * 1024
_GEOMETRY = ("GeometryName", "GeometryElementPath", "GeometryType", "GeomPropertyDefn")


def with_several_geometries(guard: GmlGuard) -> dict[str, list[tuple[str, ...]]]:
    """The types of features that have several geometries, each in a place of its own: these places."""
    found = {}
    for kind, (most, _) in guard.geometries.items():
        paths = guard.paths[kind]
        if most > 1 and all(path and times == 1 for path, (times, _) in paths.items()):
            found[kind] = [*paths]
    return found


def lists_all(known: Path, several: Mapping[str, Sequence[tuple[str, ...]]]) -> bool:
    """Whether a list of properties beside a file has every geometry. GDAL writes one wherever it opens a file, with the first.

    Args:
        known: The list.
        several: By type of feature, where its geometries stand.
    """
    try:
        classes = ET.parse(known)  # noqa: S314 - in the sandbox; expat bounds how much entities may grow
    except ET.ParseError:
        return True  # GDAL says what is wrong
    listed = {
        each.findtext("Name", ""): len(each.findall("GeomPropertyDefn")) or len(each.findall("GeometryElementPath"))
        for each in classes.iter("GMLFeatureClass")
    }
    return all(listed.get(kind, len(paths)) >= len(paths) for kind, paths in several.items())


def template_of(gdal: Gdal, path: Path, several: Mapping[str, Sequence[tuple[str, ...]]]) -> str | None:
    """The path, for GDAL, of a list of the properties that it finds in a file, and of all geometries.

    Args:
        gdal: The library.
        path: The file.
        several: By type of feature, where its geometries stand.

    Returns:
        None where the file is too large to be looked at in memory, or GDAL finds nothing in it.
    """
    if path.stat().st_size > _LARGEST_COPY:
        return None
    source = gdal.held(path.read_bytes(), path.name)
    with gdal.overhearing():  # it will say the same again
        dataset = gdal.open(source, "GML", ["DOWNLOAD_SCHEMA=NO", "WRITE_GFS=YES"])
        if dataset:
            gdal.GDALClose(dataset)
        written = gdal.written(source.removesuffix(path.suffix) + ".gfs")
    if not written:
        return None
    classes = ET.fromstring(written)  # noqa: S314 - GDAL has written it
    for each in classes.iter("GMLFeatureClass"):
        if paths := several.get(each.findtext("Name", "")):
            _give_places(each, paths)
    return gdal.held(ET.tostring(classes), "several.gfs")


def names_of(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """What the geometries are called: as the properties that they stand in, or the whole way where these repeat."""
    first = [path[0] for path in paths]
    return [path[0] if first.count(path[0]) == 1 else "_".join(path) for path in paths]


def _give_places(each: ET.Element, paths: Sequence[tuple[str, ...]]) -> None:
    for old in [part for part in each if part.tag in _GEOMETRY]:
        each.remove(old)
    places = ["|".join(path) for path in paths]
    for old in each.findall("PropertyDefn"):  # texts of geometries that GDAL has not taken for any
        if any(f"{old.findtext('ElementPath', '')}|".startswith(f"{place}|") for place in places):
            each.remove(old)
    for name, place in reversed([*zip(names_of(paths), places, strict=True)]):
        made = ET.Element("GeomPropertyDefn")
        ET.SubElement(made, "Name").text = name
        ET.SubElement(made, "ElementPath").text = place
        each.insert(2, made)
