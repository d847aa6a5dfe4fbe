"""Which formats in XML have a guard, and its way over a file."""

from pathlib import Path

from libs.spatial_utils.worker.formats.gml.guard import GmlGuard
from libs.spatial_utils.worker.formats.gpx.guard import GpxGuard
from libs.spatial_utils.worker.formats.kml.guard import KmlGuard
from libs.spatial_utils.worker.formats.markup import XmlGuard
from libs.spatial_utils.worker.protocol import Notes

_GUARDS: dict[str, type[XmlGuard]] = {"LIBKML": KmlGuard, "GML": GmlGuard, "GPX": GpxGuard}


def guarded(path: Path, driver: str, notes: Notes) -> XmlGuard:
    """Look through a file once for what GDAL would change in silence; a file of a format without a guard is not read.

    Raises:
        Unreadable: ``bad_coordinate``, ``geometry_lost``, ``value_lost`` or ``no_features``, with the line.
    """
    guard = _GUARDS.get(driver, XmlGuard)(notes)
    if driver in _GUARDS:
        guard.scan(path)
        guard.after(path)
    return guard
