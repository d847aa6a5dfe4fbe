"""The ZIP package of a spreadsheet: its parts, and events of their XML. How much may come out, the caller's side has checked."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.parsers import expat

from libs.spatial_utils.worker.protocol import Unreadable

_CHUNK = 256 * 1024

Start = Callable[[str, dict[str, str]], None]
"""Takes the name of an element, without its prefix, and its attributes, with theirs."""
End = Callable[[str], None]


class Package:
    """An opened package.

    Raises:
        Unreadable: when it is not a whole ZIP archive.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.names = frozenset(archive.namelist())

    def parse(self, part: str, start: Start, end: End | None = None, text: Callable[[str], None] | None = None) -> None:
        """Send the elements of a part to handlers.

        Raises:
            Unreadable: when the part is missing, is not well-formed, or has a document type, which could define entities.
        """
        if part not in self.names:
            raise damaged(f"the part {part!r} is missing")
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = 64 * 1024

        def begin(root: str, attributes: dict[str, str]) -> None:
            prefixed = ":" in root  # names without a prefix need no look at each
            parser.StartElementHandler = _without_prefix(start) if prefixed else start
            if end is not None:
                parser.EndElementHandler = _end_without_prefix(end) if prefixed else end
            parser.StartElementHandler(root, attributes)

        parser.StartElementHandler = begin
        if text is not None:
            parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = _refuse_document_type
        with self._archive.open(part) as file:
            while chunk := file.read(_CHUNK):
                parser.Parse(chunk)
            parser.Parse(b"", True)  # noqa: FBT003 - expat takes no keywords

    def text(self, part: str) -> str:
        """A small part as text; empty where there is none."""
        if part not in self.names:
            return ""
        with self._archive.open(part) as file:
            return file.read(_CHUNK).decode("utf-8", "replace")


@contextmanager
def opened(path: Path) -> Iterator[Package]:
    """A package, while its parts are read.

    Raises:
        Unreadable: when it, or a part of it, is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield Package(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise damaged(str(error)) from error
    except expat.ExpatError as error:
        raise damaged(f"its XML is not well-formed ({error})") from error


def damaged(what: str) -> Unreadable:
    """The problem of a file that is not a whole spreadsheet."""
    return Unreadable(
        "damaged",
        f"The spreadsheet cannot be read: {what}.",
        "Open it in a spreadsheet program and save it again, as XLSX or ODS.",
    )


def _without_prefix(start: Start) -> Start:
    return lambda name, attributes: start(name.rpartition(":")[2], attributes)


def _end_without_prefix(end: End) -> End:
    return lambda name: end(name.rpartition(":")[2])


def _refuse_document_type(*_: object) -> None:
    raise damaged("a part of it has a document type (DOCTYPE), which no spreadsheet program writes")
