"""Reads one raster file with GDAL, strip by strip. A folder of ``formats/`` may look at the file first."""

import ctypes
import struct
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from libs.spatial_utils.pixels import SIZES, tile_for
from libs.spatial_utils.worker.ogr.messages import MessageRules, classify
from libs.spatial_utils.worker.protocol import Notes, Request, Unreadable
from libs.spatial_utils.worker.raster.api import ALL_VALID, PER_DATASET, Api
from libs.spatial_utils.worker.raster.description import describe
from libs.spatial_utils.worker.raster.steps import Steps
from libs.spatial_utils.worker.raster.template import template
from libs.spatial_utils.worker.raster.world_file import shift, world_file_of
from libs.spatial_utils.worker.reader import FileReader

_CONFIGURATION = {"GDAL_CACHEMAX": "64", "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE", "GDAL_NUM_THREADS": "1"}
_LENGTH = struct.Struct("<Q")


class RasterReader(FileReader):
    """See ``FileReader``. The hooks of this class do nothing, which is right for a plain format.

    Attributes:
        messages: What GDAL's messages mean for this format.
    """

    messages: MessageRules = MessageRules()

    def check_before(self) -> None:
        """Look at the file before GDAL does; raises ``Unreadable``."""

    def names(self) -> Iterable[str]:
        """The rasters of the file, by name."""
        return (self.path.stem,)

    def open_options(self, name: str) -> list[str]:  # noqa: ARG002 - for formats that hold several
        """Open options of the driver, with which it opens one of them."""
        return []

    def open(self) -> None:
        """Add the rasters of the file; see ``FileReader``."""
        for own in self.names():
            name = self.prefix + own
            if not self.add_name(name):
                continue
            self.check_before()
            self.gdal.configure(_CONFIGURATION)
            self.gdal.register("GDALRegister_GTiff")  # for what is written in memory; the file is opened by its own driver alone
            api = Api(self.gdal)
            dataset = api.open(str(self.path), self.request.driver, self.open_options(own))
            self.classify(self.notes, opening=dataset is None)
            if dataset is None:
                raise Unreadable(
                    "unreadable", f"GDAL's {self.request.driver} reader finds no raster in {self.path.name!r}.",
                    "Check that it is whole, and that 'format' is right.",
                )  # fmt: skip
            self.opened.rasters.append(Raster(self, api, dataset, name))

    def classify(self, notes: Notes, *, opening: bool = False) -> None:
        """Turn what GDAL has said into warnings; raises ``Unreadable`` for a loss."""
        classify(self.gdal.complaints.take(), notes, self.path.name, self.messages, opening=opening)


class Raster:
    """An opened raster that can be kept as it is.

    Raises:
        Unreadable: when it cannot.
    """

    def __init__(self, reader: RasterReader, api: Api, dataset: int, name: str) -> None:
        self._reader, self._api, self._dataset, self.name = reader, api, dataset, name
        self._facts = describe(api, dataset)
        _check_pages(api, dataset, name)
        if not self._facts["bands"]:
            raise Unreadable("unreadable", f"The raster {name!r} has no bands.", "Check that it is the right file.")
        self._crs, self._beside = self._facts["crs"], self._projection_beside() if self._facts["crs"] is None else None
        self._compare_world_file()
        wanted = reader.request.raster or {}
        if wanted.get("steps"):
            self._apply(wanted)
        width, height, bands = self._facts["width"], self._facts["height"], len(self._facts["bands"])
        self._dtype = _kept_type(self._facts["bands"], name)
        self._size = SIZES[self._dtype]
        check_size(reader.request, name, width, height, bands * self._size)
        _check_nodata(self._facts["bands"], name)
        self._check_masks(bands)
        self._tile = tile_for(width, bands, self._dtype)

    def described(self) -> dict[str, Any]:
        """See ``RasterSource``: what it is, and the tags of its GeoTIFF with its own CRS, and with that of the manifest."""
        wanted = self._reader.request.raster or {}
        made = bool(wanted.get("steps"))
        tags = {"file": template(self._api, self._dataset, None if made else self._beside)}
        if wanted.get("declared") is not None:
            tags["manifest"] = tags["file"] if made else template(self._api, self._dataset, wanted["declared"])
        self._reader.classify(self._reader.notes)
        crs = {"text": self._beside} if self._beside else self._crs
        return {
            "name": self.name, "facts": self._facts if made else self._facts | {"crs": crs}, "source_crs": crs, "tags": tags,
            "tile": self._tile, "dtype": self._dtype,
        }  # fmt: skip

    def _apply(self, wanted: dict[str, Any]) -> None:
        """Take what the steps make of the raster in its place."""
        facts, api = self._facts, self._api
        check_size(
            self._reader.request,
            self.name,
            facts["width"],
            facts["height"],
            sum(SIZES.get(b["dtype"], 16) for b in facts["bands"]),
        )
        declared = wanted.get("declared")
        if self._crs is None and self._beside is None and declared is None:
            return  # it is refused for that
        steps = Steps(api, self.name)
        crs = declared if declared is not None and (self._crs is None or wanted["replace_crs"]) else self._beside
        if crs is not None:
            self._dataset = steps.placed(self._dataset, crs)
        categorical = bool(wanted["categorical"]) or any(band["categories"] for band in facts["bands"])
        self._dataset = steps.applied(self._dataset, wanted["steps"], categorical=categorical)
        self._facts = describe(api, self._dataset)

    def send(self, out: BinaryIO) -> dict[str, Any]:
        """See ``RasterSource``: each strip after its length, of which 0 is the end. The mask follows the bands."""
        notes, problem = Notes(), None
        try:
            for strip in self._strips(notes):
                out.write(_LENGTH.pack(len(strip)))
                out.write(strip)
        except Unreadable as error:
            problem = error.as_dict()
        out.write(_LENGTH.pack(0))
        self._api.gdal.GDALClose(self._dataset)
        return {"problem": problem, "warnings": notes.warnings}

    def _strips(self, notes: Notes) -> Iterator[memoryview]:
        api, dataset = self._api, self._dataset
        width, height, bands = self._facts["width"], self._facts["height"], len(self._facts["bands"])
        number = api.GDALGetRasterDataType(api.GDALGetRasterBand(dataset, 1))
        mask = api.GDALGetMaskBand(api.GDALGetRasterBand(dataset, 1)) if self._facts["mask"] else None
        row = width * self._size
        strip = bytearray(
            min(self._tile, height) * (row * bands + (width if mask else 0))
        )  # one for all: each is sent before the next
        place = ctypes.addressof((ctypes.c_char * len(strip)).from_buffer(strip))
        for top in range(0, height, self._tile):
            rows = min(self._tile, height - top)
            failed = api.GDALDatasetRasterIOEx(
                dataset, 0, 0, top, width, rows, place, width, rows, number, bands, None, self._size, row, row * rows, None
            )
            if mask and not failed:
                failed = api.GDALRasterIO(mask, 0, 0, top, width, rows, place + rows * row * bands, width, rows, 1, 0, 0)
            self._reader.classify(notes)
            if failed:
                raise Unreadable(
                    "damaged", f"The rows from {top:,} on of the raster {self.name!r} cannot be read.", "Upload the file again."
                )
            yield memoryview(strip)[: rows * (row * bands + (width if mask else 0))]

    def _projection_beside(self) -> str | None:
        """The CRS in the ``.prj`` beside the file, as WKT; drivers of pictures do not look for it."""
        path = next((path for path in self._reader.path.parent.iterdir() if path.stem == self._reader.path.stem
                     and path.suffix.lower() == ".prj"), None)  # fmt: skip
        if path is None:
            return None
        api, gdal = self._api, self._api.gdal
        text = path.read_bytes()[: 64 * 1024].replace(b"\0", b"")
        reference = gdal.OSRNewSpatialReference(None)
        try:
            lines = (ctypes.c_char_p * 2)(text, None)
            with gdal.overhearing():
                known = api.OSRImportFromESRI(reference, lines) == 0
            wkt = gdal.text(gdal.OSRExportToWktEx, reference, ("FORMAT=WKT2_2019",)) if known else None
        finally:
            gdal.OSRRelease(reference)
        if wkt is None:
            raise Unreadable("unknown_crs", f"What {path.name!r} says of the CRS is not understood.", "Correct it, or remove it.")
        return wkt

    def _compare_world_file(self) -> None:
        """GDAL takes the georeference in the file, and does not say that the world file beside it says something else."""
        transform, world = self._facts["transform"], world_file_of(self._reader.path)
        if transform is None or world is None:
            return
        moved = shift(world, transform, self._facts["width"], self._facts["height"])
        if moved is not None:
            self._reader.notes.warn(
                "world_file_differs",
                f"{world.name!r} places the raster up to {moved:,.1f} pixels away from where the file itself does. The "
                "file's own place was taken.",
                "Remove the one that is wrong, and deliver again if it is that of the file.",
            )

    def _check_masks(self, bands: int) -> None:
        """Masks of single bands have no place in a GeoTIFF."""
        flags = [self._api.GDALGetMaskFlags(self._api.GDALGetRasterBand(self._dataset, index + 1)) for index in range(bands)]
        if any(each == 0 for each in flags):
            raise Unreadable(
                "raster_mask_not_kept", f"Bands of the raster {self.name!r} have masks of their own: a GeoTIFF has one.",
                "Write one mask for all bands, or nodata values.",
            )  # fmt: skip
        kinds = {each & (ALL_VALID | PER_DATASET) for each in flags}
        if self._facts["mask"] and len(kinds) > 1:
            raise Unreadable(
                "raster_mask_not_kept",
                f"Only some bands of the raster {self.name!r} have a mask.",
                "Write one mask for all bands.",
            )


def check_size(request: Request, name: str, width: int, height: int, pixel_bytes: float) -> None:
    """Refuse what comes to more bytes than a file of this size may have, before anything of it is read.

    Raises:
        Unreadable: ``expands_too_much``.
    """
    wanted = request.raster or {}
    size = width * height * pixel_bytes
    if size > wanted.get("most", size):
        raise Unreadable(
            "expands_too_much",
            f"The raster {name!r} has {width:,} x {height:,} pixels, which come to {int(size):,} bytes; a file of its size may "
            f"come to {wanted['most']:,}.",
            f"Check that it is the right file; if it really is that large, ask the operator to raise {wanted['setting']}.",
        )


def _check_pages(api: Api, dataset: int, name: str) -> None:
    parts = [item for item in api.metadata(dataset, "SUBDATASETS") if "_NAME=" in item]
    if len(parts) > 1:
        raise Unreadable(
            "raster_several", f"{name!r} holds {len(parts):,} rasters, of which only one can be read as a dataset.",
            "Write each as a file of its own: gdal_translate -sds in.tif out.tif",
        )  # fmt: skip


def _kept_type(bands: list[dict[str, Any]], name: str) -> str:
    types = list(dict.fromkeys(band["dtype"] for band in bands))
    if len(types) > 1:
        raise Unreadable(
            "raster_type_not_kept", f"The bands of the raster {name!r} are of several types: {', '.join(types)}.",
            "Write the bands of each type as a file of their own.",
        )  # fmt: skip
    if types[0] not in SIZES:
        raise Unreadable(
            "raster_type_not_kept", f"The pixels of the raster {name!r} are of the type {types[0]}, which is not kept.",
            f"Write it as one of: {', '.join(SIZES)}.",
        )  # fmt: skip
    return str(types[0])


def _check_nodata(bands: list[dict[str, Any]], name: str) -> None:
    values = list(dict.fromkeys(band["nodata"] for band in bands))
    if len(values) > 1:
        said = ", ".join("none" if value is None else value for value in values)
        raise Unreadable(
            "raster_nodata_differs", f"The bands of the raster {name!r} have different nodata values: {said}. A GeoTIFF has one.",
            "Write the same nodata value into all bands.",
        )  # fmt: skip
