"""What is in an archive: ZIP, tar, or a single file compressed by gzip, bzip2 or xz. One way to go through all of them."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from libs.spatial_utils.sniffing import ARCHIVES, Kind, is_tar, kind_of

ERRORS: tuple[type[Exception], ...] = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError, RuntimeError,
    UnicodeError,
)  # fmt: skip
"""What a damaged archive, or one that is made in a way that is not known here, raises."""

_TAR_BLOCK = 512
COMPRESSED = (".gz", ".tgz", ".tar", ".bz2", ".tbz2", ".xz", ".txz")
"""Extensions of archives besides ZIP's."""
_SUFFIXES = (".gz", ".bz2", ".xz")
_COMPRESSED: dict[Kind, Callable[..., Any]] = {Kind.GZIP: gzip.open, Kind.BZIP2: bz2.open, Kind.XZ: lzma.open}


@dataclass(frozen=True)
class Member:
    """One entry of an archive.

    Attributes:
        name: As the archive has it.
        is_folder: Whether it is a folder.
        is_special: Whether it is neither a file nor a folder: a link, a device.
        is_encrypted: Whether a password is needed.
        open: Opens what it holds; in a tar, before the next member is asked for.
    """

    name: str
    is_folder: bool
    is_special: bool
    is_encrypted: bool
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether a file is an archive that can be unpacked, by its first bytes."""
    return path.is_file() and kind_of(path) in ARCHIVES


@contextmanager
def members(archive: Path) -> Iterator[Iterator[Member]]:
    """The members of an archive, in its order; one of ``ERRORS`` is raised when it is damaged."""
    with ExitStack() as opened:
        kind = kind_of(archive)
        if kind is Kind.ZIP:
            yield zipped(opened.enter_context(zipfile.ZipFile(archive)))
            return
        stream = opened.enter_context(_COMPRESSED[kind](archive) if kind in _COMPRESSED else archive.open("rb"))
        buffered = opened.enter_context(io.BufferedReader(stream, 1024 * 1024))
        if is_tar(buffered.peek(_TAR_BLOCK)[:_TAR_BLOCK]):
            yield _archived(opened.enter_context(tarfile.open(fileobj=buffered, mode="r|")))
        else:
            yield iter([Member(_bare_name(archive.name), False, False, False, lambda: buffered)])  # noqa: FBT003


def zipped(archive: zipfile.ZipFile) -> Iterator[Member]:
    """The members of a ZIP archive that is open."""
    for info in archive.infolist():
        mode = stat.S_IFMT(info.external_attr >> 16)
        name = info.filename.replace("\\", "/")
        yield Member(
            name,
            is_folder=name.endswith("/"),
            is_special=mode not in {0, stat.S_IFREG, stat.S_IFDIR},
            is_encrypted=bool(info.flag_bits & 0x1),
            open=partial(archive.open, info),
        )


def _archived(archive: tarfile.TarFile) -> Iterator[Member]:
    for info in archive:
        special = not (info.isreg() or info.isdir())

        def opened(info: tarfile.TarInfo = info) -> IO[bytes]:
            file = archive.extractfile(info)
            if file is None:
                raise tarfile.TarError("an entry is no file")
            return file

        yield Member(info.name, info.isdir(), special, is_encrypted=False, open=opened)


def _bare_name(name: str) -> str:
    """The name of what is compressed: the archive's without its own suffix."""
    suffix = next((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)] or name
