"""XML element by element, by expat, out of a file of any size."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.parsers import expat

_CHUNK_BYTES = 1024 * 1024
_TEXT_BYTES = 64 * 1024


class XmlScan:
    """What some elements of a file say; a subclass says which.

    Expat bounds how much entities may grow. External ones are not read. Names are local: a prefix is left out.

    Attributes:
        stack: The elements around the one that begins, from the outermost.
        error: What is wrong with the XML, where the scan has ended before the file does.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self.stack: list[str] = []
        self.error: expat.ExpatError | None = None
        self._descriptor = -1
        self._local: dict[str, str] = {}
        self._parts: list[str] = []
        self._then: Callable[[str, int], None] | None = None
        self._parser = expat.ParserCreate()
        self._parser.buffer_text, self._parser.buffer_size = True, _TEXT_BYTES
        self._parser.StartElementHandler, self._parser.EndElementHandler = self._start, self._end

    def scan(self, path: Path) -> None:
        """Read a file once, to its end or to the first that is no XML."""
        for _ in self.scanning(path):
            pass

    def scanning(self, path: Path) -> Iterator[None]:
        """The same, with a pause after each piece of the file."""
        try:
            with path.open("rb", buffering=0) as file:
                self._descriptor = file.fileno()
                while chunk := file.read(_CHUNK_BYTES):
                    self._parser.Parse(chunk, False)  # noqa: FBT003 - expat's own argument
                    yield
                self._parser.Parse(b"", True)  # noqa: FBT003
        except expat.ExpatError as error:
            self.error = error
        yield

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends, which is not in ``stack`` any more."""

    @property
    def line(self) -> int:
        """The line in which the element begins, or ends."""
        return self._parser.CurrentLineNumber

    @property
    def place(self) -> int:
        """The byte at which the element begins, or ends."""
        return self._parser.CurrentByteIndex

    def bytes_at(self, begin: int, size: int) -> bytes:
        """Some bytes of the file, while it is read: so many, or fewer at its end."""
        return os.pread(self._descriptor, size, begin)

    def collect(self, then: Callable[[str, int], None]) -> None:
        """Have the text up to the next element, and the line in which it ends, given to a function. Only from ``start``."""
        self._then = then
        self._parser.CharacterDataHandler = self._parts.append

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._then:
            self._collected()
        local = self._local.get(name)
        if local is None:
            local = self._local[name] = name.rpartition(":")[2]
        self.start(local, attributes)
        self.stack.append(local)

    def _end(self, _: str) -> None:
        if self._then:
            self._collected()
        self.end(self.stack.pop())

    def _collected(self) -> None:
        then, text = self._then, "".join(self._parts)
        self._parser.CharacterDataHandler = self._then = None
        self._parts.clear()
        if then:
            then(text, self._parser.CurrentLineNumber)
