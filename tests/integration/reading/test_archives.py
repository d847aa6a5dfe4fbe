"""Files as they come packed: tar, gzip, bzip2, xz, and a FileGDB without its folder."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.models import Problem

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
POINTS = b"x,y\n7.5,46.5\n8.5,47.5\n"
NET = Path(__file__).parents[2] / "data" / "cases" / "08-filegdb" / "net.gdb.zip"
OPTIONS = {"x": "x", "y": "y"}


def tar(path: Path, entries: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz"), ("a.tar.bz2", "w:bz2"), ("a.tar.xz", "w:xz")]
)
def test_tar(read: Reader, tmp_path: Path, name: str, mode: str) -> None:
    got = read(
        tar(tmp_path / name, {"data/points.csv": POINTS, "README.txt": b"Hello."}, mode), "CSV", crs="EPSG:4326", options=OPTIONS
    )
    assert [shape.wkt for shape in got.geometries] == ["POINT (7.5 46.5)", "POINT (8.5 47.5)"]


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_a_compressed_file(read: Reader, tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"points.csv{suffix}"
    path.write_bytes(compress(POINTS))
    got = read(path, "CSV", crs="EPSG:4326", options=OPTIONS)
    assert (got.layer.name, got.table.num_rows) == ("points", 2)


def test_a_bare_geodatabase(read: Reader, tmp_path: Path) -> None:
    with zipfile.ZipFile(NET) as packed, zipfile.ZipFile(tmp_path / "net.zip", "w") as bare:
        for info in packed.infolist():
            if not info.is_dir():
                bare.writestr(Path(info.filename).name, packed.read(info))
    assert read(tmp_path / "net.zip", "FileGDB").layers.keys() == read(NET, "FileGDB").layers.keys()


def test_what_is_hostile(refused: Refuser, tmp_path: Path) -> None:
    link = tarfile.TarInfo("points.csv")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "link.tar.gz", "w:gz") as archive:
        archive.addfile(link)
    assert refused(tmp_path / "link.tar.gz", "CSV", type="tabular").code == "archive_unsafe"
    assert refused(tar(tmp_path / "up.tar", {"../a.csv": POINTS}, "w"), "CSV", type="tabular").code == "archive_unsafe"
    assert refused(tar(tmp_path / "in.tar", {"a.zip": b"PK"}, "w"), "CSV", type="tabular").code == "archive_nested"
    bomb = tmp_path / "bomb.csv.gz"
    with gzip.open(bomb, "wb") as file:
        for _ in range(200):
            file.write(b"0" * 1024 * 1024)
    assert refused(bomb, "CSV", type="tabular").code == "archive_too_large"


@pytest.mark.parametrize("at", [3, 20, 60])
def test_what_is_damaged(refused: Refuser, tmp_path: Path, at: int) -> None:
    path = tar(tmp_path / "a.tar.gz", {"points.csv": POINTS + os.urandom(1000).hex().encode()})
    path.write_bytes(path.read_bytes()[:-at])
    assert refused(path, "CSV", type="tabular").code in {"archive_damaged", "csv_ragged"}
