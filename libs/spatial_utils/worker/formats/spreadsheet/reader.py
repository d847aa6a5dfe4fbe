"""Opening a spreadsheet: every sheet that holds something is a layer."""

from collections.abc import Iterator

from libs.spatial_utils.worker.formats.spreadsheet import ods, xlsx
from libs.spatial_utils.worker.formats.spreadsheet.layer import SheetLayer
from libs.spatial_utils.worker.formats.spreadsheet.package import opened
from libs.spatial_utils.worker.formats.spreadsheet.sheet import Sheet
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.reader import FileReader


class Reader(FileReader):
    """See ``FileReader``: a layer for each sheet. Only the values of formulas are read. No macro, no link is followed."""

    def open(self) -> None:
        """See ``FileReader``."""
        for sheet in self._sheets():
            if sheet.blocks:
                self.opened.layers.append(SheetLayer(self.gdal, sheet, self.prefix, self.request))
                continue
            self.notes.warn("sheet_empty", f"The sheet {sheet.name!r} is empty and was skipped.", "Nothing has to be done.")
        is_last = self.path == self.request.paths[-1][0]  # another file of the same archive may hold something
        if is_last and not self.opened.layers and self.notes.warnings:
            raise Unreadable("no_layers", "The sheets of the file are empty.", "Check that it is the right file.")

    def _sheets(self) -> Iterator[Sheet]:
        def wants(name: str) -> bool:
            return self.add_name(self.prefix + name)

        with opened(self.path) as package:
            if ods.CONTENT in package.names:
                yield from ods.read_sheets(package, wants)
            else:
                yield from xlsx.read_sheets(package, wants, self.notes)
