"""Opening a spreadsheet: every sheet that holds something is a layer."""

from collections.abc import Iterator
from pathlib import Path

from libs.spatial_utils.worker.formats.spreadsheet import ods, xlsx
from libs.spatial_utils.worker.formats.spreadsheet.layer import SheetLayer
from libs.spatial_utils.worker.formats.spreadsheet.package import opened
from libs.spatial_utils.worker.formats.spreadsheet.sheet import Sheet
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import OpenFile, Request, Unreadable


def open_file(gdal: Gdal, request: Request) -> OpenFile:
    """The files of a request, a layer for each sheet. Only the values of formulas are read. No macro, no link is followed."""
    file = OpenFile()
    for path, prefix in request.paths:
        for sheet in _sheets(path, prefix, request, file):
            if sheet.blocks:
                file.layers.append(SheetLayer(gdal, sheet, prefix, request))
                continue
            file.notes.warn("sheet_empty", f"The sheet {sheet.name!r} is empty and was skipped.", "Nothing has to be done.")
    if not file.layers and file.notes.warnings:
        raise Unreadable("no_layers", "The sheets of the file are empty.", "Check that it is the right file.")
    return file


def _sheets(path: Path, prefix: str, request: Request, file: OpenFile) -> Iterator[Sheet]:
    def wants(name: str) -> bool:
        file.names.append(prefix + name)
        return request.wants(prefix + name)

    with opened(path) as package:
        if ods.CONTENT in package.names:
            yield from ods.read_sheets(package, wants)
        else:
            yield from xlsx.read_sheets(package, wants, file.notes)
