"""Finding what is to be read: in an archive, beside the main file, or a folder; and whether it is what the manifest says."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.models import Problem, Rejected
from libs.spatial_utils.archive import ArchiveLimits, check_package, unpack
from libs.spatial_utils.documents import is_document
from libs.spatial_utils.formats import FORMATS, WHAT_TO_DO, Format, formats_of
from libs.spatial_utils.reading.seamless import components
from libs.spatial_utils.siblings import Folders, Siblings
from libs.spatial_utils.sniffing import ARCHIVES, Kind, kind_of

MAX_MAIN_FILES = 500
"""Files of the declared format in one archive, each of which becomes a layer or more."""
_SHOWN_NAMES = 10
_INDEXES = frozenset({".sbn", ".sbx", ".fbn", ".fbx", ".ain", ".aih", ".ixs", ".mxs", ".atx", ".qix", ".idm", ".ind"})
"""Extensions of indexes, which programs make again: nobody misses them."""
_PACKAGES = frozenset({Kind.XLSX, Kind.ODS})
"""What is a ZIP archive itself, and is read without being unpacked."""
_TEXTS = frozenset({Kind.TEXT, Kind.TEXT_UTF16})
_AS_TEXT = (
    "Open it in a text editor. If it is a program's text with data in it, or in UTF-16, write it again in the declared format, "
    "in UTF-8. If it is a table, its format is CSV."
)
_ALLOW = ' Or write "missing_sidecars": "allow" to read what can be read without them.'
_ANYTHING = frozenset({".xml", ".html"})
"""Usual extensions of files most of which hold no features."""
_SHARED = frozenset({".tab", ".xml"})
"""Extensions that are the usual one of a format, and one of another, too."""


@dataclass(frozen=True)
class Located:
    """What is to be read.

    Attributes:
        sources: Main files with the prefix that their layers' names get, in order.
        folder: What the reading process may see.
        warnings: About what lies in the archive and is not read.
    """

    sources: tuple[tuple[Path, str], ...]
    folder: Path
    warnings: tuple[Problem, ...] = ()


def locate(
    path: Path, unpacked: Path, kind: Format, where: str, limits: ArchiveLimits, *, tabular: bool, complete: bool = False
) -> Located:
    """Find the main files and check that each is there in full and looks like its format.

    Args:
        path: The file, a folder, or an archive.
        unpacked: Folder to make for what an archive holds.
        kind: The declared format.
        where: Place of the file, for problems.
        limits: Of an archive.
        tabular: Whether a table is wanted, so that parts with geometry may be missing.
        complete: Whether parts may be missing that can be made again.

    Raises:
        Rejected: ``format_mismatch``, ``missing_sidecar``, and what ``unpack`` raises.
    """
    looks = kind_of(path)
    if looks not in ARCHIVES:
        folders = Folders()
        table = _without_geometry(path, kind, where, folders, tabular=tabular)
        _check(path, looks, kind, where, folders, tabular=tabular or bool(table), complete=complete)
        if looks in _PACKAGES:
            check_package(path, where, limits)
        _check_components(_components([path], kind, where), path.parent, kind, where, folders, tabular=tabular)
        return Located(((path, ""),), path if path.is_dir() else path.parent, tuple(table))
    files = unpack(path, unpacked, where, limits, nested=kind.nested)
    mains = [_as_geodatabase(main, path, unpacked) for main in _mains(files, kind)] if kind.folder else _mains(files, kind)
    parts = _components(mains, kind, where)
    mains = [main for main in mains if main not in parts]
    if not mains:
        raise Rejected.because(
            "archive_without_data",
            where,
            f"The archive holds no {kind.name} file. It holds: {_listed(files, unpacked)}.",
            "Check the archive, or correct 'format'.",
        )
    if len(mains) > MAX_MAIN_FILES:
        raise Rejected.because(
            "archive_too_large",
            where,
            f"The archive holds {len(mains):,} {kind.name} files; the limit is {MAX_MAIN_FILES}.",
            "Split it.",
        )
    told: list[Problem] = []
    folders = Folders()
    for main in mains:
        looks, place = kind_of(main), f"{where}: {main.relative_to(unpacked)}"
        table = _without_geometry(main, kind, place, folders, tabular=tabular)
        told += table
        _check(main, looks, kind, place, folders, tabular=tabular or bool(table), complete=complete)
        if looks in _PACKAGES:
            check_package(main, place, limits)
    _check_components(parts, unpacked, kind, where, folders, tabular=tabular)
    sources = tuple(zip(mains, _prefixes(mains, unpacked, kind), strict=True))
    return Located(sources, unpacked, (*told, *_not_read(files, [*mains, *parts], kind, unpacked, where)))


def _without_geometry(main: Path, kind: Format, where: str, folders: Folders, *, tabular: bool) -> list[Problem]:
    """What to say of a file that lacks all the parts with geometry, as a mere table does."""
    if tabular or not kind.geometry_parts:
        return []
    if not kind.geometry_parts.isdisjoint(file.suffix.lower() for file in _of_stem(main, folders)):
        return []
    lacking = " and ".join(main.stem + part for part in sorted(kind.geometry_parts))
    return [
        Problem(
            code="read_as_table",
            where=where,
            message=f"{main.name!r} has no {lacking} beside it. It is read as a table without geometry.",
            remedy="Nothing has to be done for a table. If its rows have geometry, upload these files, too.",
        )
    ]


def _of_stem(main: Path, folders: Folders) -> list[Path]:
    return [file for name in folders.beside(main) if (file := main.with_name(name)).stem == main.stem]


def _components(mains: Sequence[Path], kind: Format, where: str) -> list[Path]:
    """The files that others of them name: they are read in the place of these."""
    tables = [main for main in mains if kind.seamless and kind_of(main) in kind.kinds]
    return list(dict.fromkeys(part for table in tables for part in components(table, where)))


def _check_components(parts: Sequence[Path], folder: Path, kind: Format, where: str, folders: Folders, *, tabular: bool) -> None:
    for part in parts:
        _check(part, kind_of(part), kind, f"{where}: {part.relative_to(folder)}", folders, tabular=tabular, complete=False)


def _as_geodatabase(folder: Path, archive: Path, unpacked: Path) -> Path:
    """The folder of a FileGDB under a name that GDAL takes for one: some archives hold its files without the folder."""
    if folder.suffix.lower() == ".gdb":
        return folder
    stem = archive.name.split(".", 1)[0] if folder == unpacked else folder.name
    named = unpacked / f"{stem}.gdb"
    if folder != unpacked:
        return folder.rename(folder.with_name(named.name))
    named.mkdir()
    for file in [file for file in unpacked.iterdir() if file != named]:
        file.rename(named / file.name)
    return named


def _mains(files: Sequence[Path], kind: Format) -> list[Path]:
    """The main files of a format among unpacked ones: those with its usual extension, or else with another of its extensions.

    Other formats and documents have the latter, too, and ``.tab`` is usual for two. Such files count only where nothing else is
    there.
    """
    if kind.folder:
        return sorted({file.parent for file in files if file.suffix.lower() == ".gdbtable"})
    by_extension = [[file for file in files if file.suffix.lower() == extension] for extension in kind.extensions]
    data = [
        found if extension == kind.extensions[0] and extension not in _SHARED else [file for file in found if _may_be(file, kind)]
        for extension, found in zip(kind.extensions, by_extension, strict=True)
    ]
    return next(filter(None, (*data, *by_extension)), [])


def _prefixes(mains: Sequence[Path], folder: Path, kind: Format) -> list[str]:
    """What tells layers of several files apart: the file's name, unless that is the layer's; and its folder, if names repeat."""
    stems = Counter(main.stem for main in mains)
    prefixes = []
    for main in mains:
        parts = [] if stems[main.stem] == 1 else main.parent.relative_to(folder).parts
        own = [] if kind.named_after_file or len(mains) == 1 else [main.stem]
        prefixes.append("".join(f"{part}/" for part in (*parts, *own)))
    return prefixes


def _not_read(files: Sequence[Path], mains: Sequence[Path], kind: Format, folder: Path, where: str) -> Iterator[Problem]:
    """Warnings about what else is in the archive: it stays behind."""
    names = Siblings({file.name for file in files})
    read = {main.with_name(name) for main in mains for name in kind.companions(main.name, names.of(main.name))} | {*mains}
    unread = [file for file in files if file not in read and file.parent not in read]  # of a FileGDB, the folder is read
    alike = [file for file in unread if _may_be(file, kind)]
    others = [file for file in unread if file not in alike and _is_usual(file)]
    if others:
        yield Problem(
            code="archive_partly_read",
            where=where,
            message=f"The archive also holds data that is not {kind.name} and was not read: {_listed(others, folder)}.",
            remedy="Submit it as a file of its own if it is wanted.",
        )
    if alike:
        yield Problem(
            code="archive_partly_read",
            where=where,
            message=f"The archive also holds files that may be {kind.name} and were not read, since others have the extension "
            f"{mains[0].suffix.lower()}: {_listed(alike, folder)}.",
            remedy="Give all of them the same extension, or submit them as files of their own, if they are wanted.",
        )
    documents = [file for file in unread if file not in (*others, *alike) and file.suffix.lower() not in _INDEXES]
    if documents:
        yield Problem(
            code="documents_not_read",
            where=where,
            message=f"The archive also holds files that are not data of a known format. They were not read: "
            f"{_listed(documents, folder)}.",
            remedy="Nothing has to be done, unless one of them is data: then submit it as a file of its own.",
        )


def _is_usual(file: Path) -> bool:
    """Whether a file has the usual extension of a format; where that may be anything, only if it looks like it."""
    usual = [entry for entry in FORMATS if file.suffix.lower() == entry.extensions[0] and not entry.is_picture]
    return any(entry.extensions[0] not in _ANYTHING or kind_of(file) in entry.kinds for entry in usual)


def _may_be(file: Path, kind: Format) -> bool:
    return file.suffix.lower() in kind.extensions and kind_of(file) in kind.kinds and not is_document(file)


def _listed(files: Sequence[Path], folder: Path) -> str:
    shown = [str(file.relative_to(folder)) for file in files[:_SHOWN_NAMES]]
    more = len(files) - len(shown)
    return (", ".join(shown) or "nothing") + (f" and {more:,} more" if more else "")


def _check(path: Path, looks: Kind, kind: Format, where: str, folders: Folders, *, tabular: bool, complete: bool) -> None:
    if looks is Kind.EMPTY:
        raise Rejected.because("empty_file", where, f"The file {path.name!r} is empty.", "Upload it again.")
    if looks not in kind.kinds:
        # Nearly anything is text, or bytes: that a file of another kind is a table of text, or bare pixels, is no likely guess.
        right = None if looks in _TEXTS or looks is Kind.BINARY else next((entry.name for entry in formats_of(looks)), None)
        raise Rejected.because(
            "format_mismatch",
            where,
            f"The file {path.name!r} is declared as {kind.name} but looks like {looks.value}.",
            f'Write "format": "{right}", if that is what was meant; or upload the right file.'
            if right
            else WHAT_TO_DO.get(looks, _AS_TEXT if looks in _TEXTS else "Upload the file itself, in the declared format."),
        )
    if path.is_dir():
        return
    beside = {file.suffix.lower() for file in _of_stem(path, folders)}
    required = [parts.split("|") for parts in kind.required if not (tabular and parts in kind.geometry_parts)]
    if complete:
        required = [parts for parts in required if kind.replaceable.isdisjoint(parts)]
    if missing := [parts for parts in required if beside.isdisjoint(parts)]:
        names = ", ".join(" or ".join(path.stem + part for part in parts) for parts in missing)
        raise Rejected.because(
            "missing_sidecar",
            where,
            f"{path.name!r} is one of several files that make up a file of the format {kind.name}; missing: {names}.",
            "Upload all of them to the same folder, or together as a ZIP archive."
            + (_ALLOW if kind.replaceable.issuperset(parts[0] for parts in missing) else ""),
        )
    journal = f"{path.name}-journal"
    if journal in folders.beside(path) and path.with_name(journal).stat().st_size:
        raise Rejected.because(
            "unfinished_transaction",
            where,
            f"{path.name!r} was being written when it was copied: the journal beside it is not empty.",
            "Open it once in the program that made it, close it, and upload the file without its journal.",
        )
