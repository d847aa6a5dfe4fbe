"""The items of a news feed: RSS 2.0 (and 0.9x), RSS 1.0, Atom. Each as a small tree, one at a time, by expat."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from libs.spatial_utils.worker.formats.pages import Page
from libs.spatial_utils.worker.protocol import Unreadable

_CHUNK_BYTES = 1024 * 1024
_ITEMS = {("rss", "channel", "item"), ("RDF", "item"), ("feed", "entry"), ("entry",)}
"""Where items lie."""
_UNDECLARED = {
    "georss": "http://www.georss.org/georss", "geo": "http://www.w3.org/2003/01/geo/wgs84_pos#", "gml": "http://www.opengis.net/gml",
}  # fmt: skip
"""What prefixes mean that a feed does not declare. GDAL writes such feeds."""
_PLACES = ("georss.org/georss", "/geo/wgs84_pos#")


@dataclass
class Element:
    """An element of an item.

    Attributes:
        space: Its namespace, empty where it has none.
        name: Its local name.
        prefix: As the file has it, empty where it has none.
        attributes: By their names, with prefixes where they have one.
        content: Texts and elements, in their order.
        line: In which it begins.
    """

    space: str
    name: str
    prefix: str
    attributes: dict[str, str]
    line: int
    content: "list[str | Element]" = field(default_factory=list)

    @property
    def children(self) -> "list[Element]":
        """The elements in it."""
        return [each for each in self.content if isinstance(each, Element)]

    @property
    def text(self) -> str:
        """The text that stands in it directly, without blanks around."""
        return "".join(each for each in self.content if isinstance(each, str)).strip()

    @property
    def is_mixed(self) -> bool:
        """Whether what is in it is text with marks."""
        return bool(self.children) and (bool(self.text) or self.attributes.get("type") == "xhtml")

    @property
    def markup(self) -> str:
        """What is in it, as XML without namespaces."""
        return "".join(escape(each) if isinstance(each, str) else each.whole for each in self.content).strip()

    @property
    def whole(self) -> str:
        """It itself as XML, without namespaces."""
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in self.attributes.items())
        inner = "".join(escape(each) if isinstance(each, str) else each.whole for each in self.content)
        return f"<{self.name}{attributes}>{inner}</{self.name}>" if inner else f"<{self.name}{attributes}/>"

    def values(self, own: str, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
        """Every text and attribute in it, with the names on the way there, from itself. The second of a kind has a 2.

        Args:
            own: The namespace of the feed itself, whose names need no prefix.
            path: The names up to itself.
        """
        for name, value in self.attributes.items():
            yield (*path, name.replace(":", "_")), value
        if self.is_mixed:
            yield path, self.markup
            return
        if self.text:
            yield path, self.text
        yield from self.values_inside(own, path)

    def values_inside(self, own: str, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
        """The same of the elements in it."""
        seen = dict[str, int]()
        for child in self.children:
            name = f"{child.prefix}_{child.name}" if child.prefix and child.space != own else child.name
            seen[name] = seen.get(name, 0) + 1
            yield from child.values(own, (*path, name if seen[name] == 1 else f"{name}{seen[name]}"))


class Feed:
    """Reads a feed once.

    Args:
        then: Is given each item, with the namespace of the feed.

    Attributes:
        items: How many there are.
        has_own_place: Whether there is a place outside of items.
        page: What the feed says of further items elsewhere.
    """

    def __init__(self, then: "Callable[[Element, str], None]") -> None:
        self._then, self._stack, self._path = then, list[Element](), list[str]()
        self._own, self._total, self._more = "", "", False
        self.items, self.has_own_place = 0, False
        self._scopes = [_UNDECLARED]
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler, self._parser.EndElementHandler = self._start, self._end
        self._parser.CharacterDataHandler = self._text

    @property
    def page(self) -> Page:  # noqa: D102 - see the class
        return Page.of_attributes({"numberMatched": self._total.strip()} | ({"next": ""} if self._more else {}))

    def read(self, path: Path) -> None:
        """Read the file.

        Raises:
            Unreadable: ``damaged``; ``format_mismatch`` for what is no feed.
        """
        try:
            with path.open("rb", buffering=0) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    self._parser.Parse(chunk, False)  # noqa: FBT003 - expat's own argument
                self._parser.Parse(b"", True)  # noqa: FBT003
        except expat.ExpatError as error:
            raise Unreadable(
                "damaged",
                f"The file is not valid XML: {error.args[0].partition(':')[0]}, in line {error.lineno:,}.",
                "Check the file with the program that made it, and write or upload it again.",
                f"line {error.lineno}",
            ) from error

    def _start(self, full: str, attributes: dict[str, str]) -> None:
        declared = {name[6:]: attributes.pop(name) for name in [*attributes] if name == "xmlns" or name.startswith("xmlns:")}
        self._scopes.append(self._scopes[-1] | declared if declared else self._scopes[-1])
        prefix, _, name = full.rpartition(":")
        space = self._scopes[-1].get(prefix, "")
        if not self._path and name not in {"rss", "RDF", "feed", "entry"}:
            raise Unreadable(
                "format_mismatch",
                f"The file is declared as GeoRSS but is no news feed: its root is {name[:40]!r}.",
                "Upload an RSS or Atom feed, or correct 'format'.",
            )
        self._path.append(name)
        if self._stack or tuple(self._path) in _ITEMS:
            element = Element(space, name, prefix, attributes, self._parser.CurrentLineNumber)
            if self._stack:
                self._stack[-1].content.append(element)
            else:
                self._own = space
            self._stack.append(element)
        elif name == "link" and attributes.get("rel") == "next":
            self._more = True
        elif any(word in space for word in _PLACES):
            self.has_own_place = True

    def _end(self, _: str) -> None:
        self._scopes.pop()
        self._path.pop()
        if not self._stack:
            return
        item = self._stack.pop()
        if not self._stack:
            self.items += 1
            self._then(item, self._own)

    def _text(self, text: str) -> None:
        if self._stack:
            self._stack[-1].content.append(text)
        elif self._path[-1:] == ["totalResults"]:
            self._total += text
