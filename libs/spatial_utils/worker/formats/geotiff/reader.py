"""GeoTIFF: its structure is looked at before GDAL, which would take memory and time for what a header merely claims."""

from libs.spatial_utils import tiff
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.raster.reader import RasterReader, check_size

_MAX_BLOCK_BYTES = 1024 * 1024 * 1024
_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32773, 32946})
"""None, three of fax machines, LZW, JPEG, DEFLATE, PackBits, DEFLATE of old."""
_NAMES = {6: "JPEG of old", 34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA", 50000: "ZSTD", 50001: "WEBP", 50002: "JPEG XL",
          52546: "JPEG XL"}  # fmt: skip


class Reader(RasterReader):
    """See ``RasterReader``."""

    def check_before(self) -> None:
        """Check sizes, blocks and compression of the image, and that it is the only one."""
        with self.path.open("rb") as file:
            size = self.path.stat().st_size
            try:
                first, *others = tiff.directories(file, size)
                first.check()
                self._check_image(first)
                pages = 1 + sum(not other.is_reduced_or_mask for other in others)
            except (tiff.NoTiff, ValueError) as error:
                raise Unreadable(
                    "damaged", f"The structure of {self.path.name!r} is damaged: {error}.", "Check the file, and upload it again."
                ) from error
        if pages > 1:
            raise Unreadable(
                "raster_several",
                f"{self.path.name!r} holds {pages:,} images, of which only one can be a dataset.",
                f"Write each page as a file of its own: gdal_translate GTIFF_DIR:2:{self.path.name} page2.tif",
            )

    def _check_image(self, image: tiff.Directory) -> None:
        width, height, samples = image.integer(tiff.WIDTH), image.integer(tiff.HEIGHT), image.integer(tiff.SAMPLES, 1)
        if min(width, height, samples) < 1:
            raise tiff.NoTiff("it has no pixels")
        compression = image.integer(tiff.COMPRESSION, 1)
        if compression not in _COMPRESSIONS:
            raise Unreadable(
                "raster_compression",
                f"The pixels of {self.path.name!r} are compressed with {_NAMES.get(compression, f'the method {compression}')}, "
                "which is not read.",
                f"Write it with DEFLATE: gdal_translate -co COMPRESS=DEFLATE {self.path.name} out.tif",
            )
        pixel_bytes = max(image.integers(tiff.BITS), default=1) / 8 * samples
        check_size(self.request, self.path.name, width, height, pixel_bytes)
        tiled = bool(image.integer(tiff.TILE_WIDTH))
        across, down = (tiff.TILE_WIDTH, tiff.TILE_HEIGHT) if tiled else (tiff.WIDTH, tiff.ROWS_PER_STRIP)
        columns, rows = image.integer(across), min(image.integer(down, height), 2**31)
        block = columns * (rows if tiled else min(rows, height)) * pixel_bytes
        if block > _MAX_BLOCK_BYTES and (tiled or compression != 1):
            raise tiff.NoTiff(f"a block of pixels comes to {int(block):,} bytes")
        if compression == 1 and not tiled and not image.integers(tiff.STRIP_OFFSETS):
            raise tiff.NoTiff("nothing says where its pixels lie")
