"""Rasters that mean harm: refused at once, or read within the limits; and nothing outside of them is read."""

import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.models import RasterSummary
from tests.integration.pipeline.conftest import Platform
from tests.plain_tiff import plain_tiff

pytestmark = pytest.mark.integration

SECONDS = 30
"""2 s, on a machine that does nothing else: a test must not fail because others work there, too."""
SECRET = "TOP-SECRET-1234"

Ingest = Callable[..., Any]


@pytest.fixture
def ingest(platform: Platform) -> Ingest:
    """Delivers the contents of a file and of what lies beside it; the report, which is there in time."""

    def ingest(
        name: str, content: bytes, kind: str, beside: dict[str, bytes] | None = None, *, seconds: float = SECONDS, **more: Any
    ) -> Any:
        for other, bytes_of in {name: content, **(beside or {})}.items():
            platform.stack.landing.store.put(f"in/{other}", bytes_of)
        entry = {"path": f"s3://landing-zone/in/{name}", "type": "raster", "format": kind, "crs": "none"} | more
        started = time.monotonic()
        report = platform.ingest("hostile", entry)
        assert time.monotonic() - started < seconds
        return report

    return ingest


def png(width: int, height: int, rows: int) -> bytes:
    """A grey PNG that claims a size, with so many rows of zeros."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes((width + 1) * rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """The beginning of a JPEG that claims a size."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc0" + struct.pack(">H", 2 + len(frame)) + frame + b"\xff\xd9"


def grid(columns: int, rows: int) -> bytes:
    """A grid of text that claims a size."""
    return f"ncols {columns}\nnrows {rows}\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2 3 4\n".encode()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.png", png(2**31 - 1, 2**31 - 1, 0), "PNG"),
        ("a.png", png(200_000, 200_000, 1), "PNG"),
        ("a.png", png(1000, 1000, 10), "PNG"),
        ("a.jpg", jpeg(65_500, 65_500), "JPEG"),
        ("a.asc", grid(10**9, 10**9), "AAIGrid"),
        ("a.asc", grid(10**9, 1), "AAIGrid"),
        ("a.asc", grid(4, 10**9), "AAIGrid"),
        ("a.asc", grid(0, 5), "AAIGrid"),
        ("a.asc", grid(100, 100), "AAIGrid"),
        ("a.img", b"EHFA_HEADER_TAG\0" + struct.pack("<I", 2**32 - 1) + bytes(100), "ERDAS Imagine"),
        ("a.dt1", b"UHL1" + b"9" * 4000, "DTED"),
        ("a.grib2", b"GRIB\0\0\0\2" + struct.pack(">Q", 2**63) + b"\xff" * 500, "GRIB"),
        ("a.tif", plain_tiff(b"1234", 2, 2, tags={273: 2**31, 279: 2**31, 34735: (1, 1, 0, 0)}), "GeoTIFF"),
        ("a.tif", plain_tiff(b"1234", 2**31, 2**31, tags={277: 60_000, 34735: (1, 1, 0, 0)}), "GeoTIFF"),
    ],
)
def test_what_claims_more_than_there_is_is_refused_at_once(ingest: Ingest, name: str, content: bytes, kind: str) -> None:
    report = ingest(name, content, kind)
    assert report.status == "rejected"
    assert {problem.code for problem in report.problems} <= {
        "damaged", "expands_too_much", "unreadable", "value_lost", "raster_not_placed", "out_of_memory",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.tif", "GeoTIFF"), ("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.asc", "AAIGrid"), ("a.img", "ERDAS Imagine"),
     ("a.dt1", "DTED"), ("a.grib2", "GRIB")],
)  # fmt: skip
def test_a_virtual_raster_in_disguise_is_none(ingest: Ingest, tmp_path: Path, name: str, kind: str) -> None:
    secret = tmp_path / "secret.tif"
    secret.write_bytes(plain_tiff(b"1234", 2, 2))
    virtual = (
        '<VRTDataset rasterXSize="2" rasterYSize="2"><VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>'
        f"{secret}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    assert ingest(name, virtual.encode(), kind).status == "rejected"


def test_what_lies_beside_a_raster_leads_nowhere(ingest: Ingest, platform: Platform, tmp_path: Path) -> None:
    """Overviews, statistics and masks that are said to lie elsewhere are not looked for there."""
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET.encode())
    aside = (
        f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{secret}</MDI></Metadata><PAMRasterBand band="1">'
        f'<Metadata domain="OVERVIEWS"><MDI key="MASK_FILE">{secret}</MDI></Metadata></PAMRasterBand></PAMDataset>'
    )
    virtual = f'<VRTDataset rasterXSize="2" rasterYSize="2"><SRS>{secret}</SRS></VRTDataset>'
    beside = {"a.tif.aux.xml": aside.encode(), "a.tif.ovr": virtual.encode(), "a.tif.msk": virtual.encode()}
    report = ingest("a.tif", plain_tiff(b"1234", 2, 2), "GeoTIFF", beside, crs="EPSG:25832")
    assert SECRET not in report.model_dump_json()
    assert all(SECRET.encode() not in path.read_bytes() for path in platform.home.rglob("*") if path.is_file())


def test_ten_thousand_bands_are_read_within_the_limits(ingest: Ingest, platform: Platform) -> None:
    report = ingest("a.tif", plain_tiff(bytes(range(200)) * 200, 2, 2, 10_000), "GeoTIFF", seconds=120, crs="EPSG:25832")
    assert report.status == "success", report.problems
    summary = platform.asset("a").summary
    assert isinstance(summary, RasterSummary)
    assert len(summary.bands) == 10_000


@pytest.mark.parametrize(
    ("width", "height", "tags"),
    [
        (1, 60_000, {278: 1}),  # a strip a pixel
        (60_000, 1, {}),
        (33, 65, {322: 65_520, 323: 16}),  # a tile that is larger than the raster
        (70, 50, {322: 16, 323: 4000}),
        (70, 50, {322: 17, 323: 5}),  # TIFF wants multiples of 16; GDAL does not
    ],
)
def test_blocks_of_any_size_are_read(ingest: Ingest, platform: Platform, width: int, height: int, tags: dict[int, int]) -> None:
    pixels = bytes((7 * n) % 251 for n in range(width * height))
    if 322 in tags:
        stored = zlib.compress(bytes(tags[322] * tags[323]))
        across, down = -(-width // tags[322]), -(-height // tags[323])
        places = {324: (8,) * (across * down), 325: (len(stored),) * (across * down), 259: 8}
        content = plain_tiff(stored, width, height, tags={**tags, **places})
    else:
        strips = range(0, height, tags.get(278, height))
        rows = tags.get(278, height)
        places = {273: tuple(8 + width * top for top in strips), 279: tuple(width * min(rows, height - top) for top in strips)}
        content = plain_tiff(pixels, width, height, tags={**tags, **places})
    report = ingest("a.tif", content, "GeoTIFF", crs="EPSG:25832")
    assert report.status == "success", report.problems
    assert (report.datasets[0].raster.width, report.datasets[0].raster.height) == (width, height)
    assert report.datasets[0].raster.bands[0].maximum == (0 if 322 in tags else 250)
