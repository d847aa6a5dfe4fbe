"""Texts in XML that GDAL and libkml change in silence: coordinates that are no numbers become 0, times are cut or lost.

Upstream: libkml/libkml#140 (coordinates that are not separated). No issue of GDAL is known (3.12.4).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from libs.remedies import way_in
from libs.spatial_utils.worker.formats.bad_features import Bad
from libs.spatial_utils.worker.formats.patching import Patch
from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.values.times import date_that_exists
from libs.spatial_utils.worker.values.xml_text import XmlScan

NUMBER = r"[-+]?+(?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:[eE][-+]?+[0-9]++)?+"
DAY = date_that_exists(rb"-").decode()
CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_TIME = re.compile(rf"{DAY}(?:T{CLOCK}(?:\.[0-9]+)?(?:Z|[+-][0-9]{{2}}:(?:00|15|30|45))?)?\s*\Z", re.ASCII)
"""A date or a time of XML Schema in full, as GDAL reads it."""
_WITHOUT_T = re.compile(r"(\s*[0-9]{4}-[0-9]{2}-[0-9]{2}) (?=[0-9]{2}:)")
_FINE_TIME = re.compile(rf"(?:{DAY}T)?{CLOCK}\.[0-9]{{3}}[0-9]*[1-9].{{0,10}}", re.ASCII | re.DOTALL)
_NUMBER = re.compile(rf"\s*+{NUMBER}\s*+", re.ASCII)
_SHOWN = 40
"""Characters of a text that a message shows."""
LONGEST_TAG = 4096
"""Bytes of a tag that is looked at."""
_START = re.compile(rb"<([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*(/?)>")


class XmlGuard(XmlScan):
    """A scan of a file for what GDAL would change in silence.

    Args:
        notes: Takes the warnings.

    Attributes:
        may_keep: Whether a policy could take features of which something cannot be read.
        keeps: The kinds of which a policy does: such features are noted here, where it is known which ones these are.
        bad: These, by layer: their numbers from 0, with what is wrong.
        patches: What GDAL gets in the place of what cannot be read.
    """

    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self.notes = notes
        self._warned = set[str]()
        self.may_keep, self.keeps = False, frozenset[str]()
        self.bad = defaultdict[str, defaultdict[int, list[Bad]]](lambda: defaultdict(list))
        self.patches = list[Patch]()

    def after(self, path: Path) -> None:
        """Say what is known once the whole file has been seen."""

    def check_whole(self) -> None:
        """Hold what was seen against GDAL's success: what it reads behind the end of the XML, nothing has checked.

        Raises:
            Unreadable: ``damaged``, with the line.
        """
        if self.error:
            raise Unreadable(
                "damaged",
                f"The file is not valid XML: {self.error.args[0].partition(':')[0]}, in line {self.error.lineno:,}.",
                "Check the file with the program that made it, and write or upload it again.",
                f"line {self.error.lineno}",
            )

    def check_columns(self, schemas: Mapping[str, pa.Schema], columns: Iterable[str]) -> None:
        """Hold what was seen against the columns that GDAL found.

        Args:
            schemas: Of the layers that are read, by their names.
            columns: Of all layers.

        Raises:
            Unreadable: ``value_lost``, with the line.
        """

    @property
    def first_bad(self) -> Unreadable:
        """The problem of something that cannot be read, where there is one."""
        return next(each.problem for features in self.bad.values() for found in features.values() for each in found)

    def counted(self, layer: str) -> int:  # noqa: ARG002 - for guards that note features by their numbers
        """How many features a layer has."""
        return 0

    def refuse(self, kind: str, problem: Unreadable) -> None:
        """Raise a problem, unless a policy takes what it says of a feature.

        Args:
            kind: ``geometry`` or ``value``.
            problem: Its remedy names the policies, where they could help.
        """
        if kind not in self.keeps:
            if self.may_keep:
                problem.remedy += way_in(kind)
            raise problem

    def has_features(self, layer: str) -> bool | None:  # noqa: ARG002 - by default nothing is known
        """Whether a layer has features; None where GDAL has to be asked."""
        return None

    def warn_once(self, rule: str, code: str, message: str, remedy: str, line: int) -> None:
        """Warn of the first text that a rule finds."""
        if rule not in self._warned:
            self._warned.add(rule)
            self.notes.warn(code, message, remedy, f"line {line}")

    def check_list(self, allowed: re.Pattern[str], text: str, line: int) -> None:
        """Check a list of positions that ends in a line.

        Raises:
            Unreadable: ``bad_coordinate``, with what follows the last right one.
        """
        found = allowed.match(text)
        at = found.end() if found else 0
        if at < len(text):
            raise bad_coordinate(text[at:], line - text.count("\n", at))

    def check_number(self, text: str, line: int) -> None:
        """Check a coordinate that stands by itself.

        Raises:
            Unreadable: ``bad_coordinate``.
        """
        if not _NUMBER.fullmatch(text):
            raise bad_coordinate(text.lstrip(), line - text.lstrip().count("\n"))

    def check_time(self, text: str, line: int) -> None:
        """Check a date or a time.

        Raises:
            Unreadable: ``value_lost`` for one that is not whole, or that there is not.
        """
        said = text.lstrip()
        if said and not self.is_time(text):
            raise Unreadable(
                "value_lost",
                f"The time {said[:_SHOWN].strip()!r} would not be read as it is.",
                "Write it in full, as 2024-05-01 or 2024-05-01T10:00:00Z, and as one that there is.",
                f"line {line - said.count(chr(10))}",
            )
        self.note_fine_time(said, line)

    @staticmethod
    def is_time(text: str) -> bool:
        """Whether a text is a date or a time as GDAL reads it."""
        return _TIME.match(text.lstrip()) is not None

    def with_t(self, text: str, line: int) -> str | None:
        """The same time with its T, and a warning, where a text is one with a blank in its place; None for any other text."""
        spelled = _WITHOUT_T.sub(r"\1T", text)
        if spelled == text or not self.is_time(spelled):
            return None
        self.warn_once(
            "times_without_t",
            "times_without_t",
            f"Times such as {text.strip()!r} have a blank in the place of the T, and were read all the same.",
            "Nothing has to be done. The standard wants 2024-05-01T10:00:00Z.",
            line,
        )
        return spelled

    def replace_text(self, begin: int, content: bytes) -> bool:
        """Give GDAL another text in the place of the one that has been collected.

        Args:
            begin: Where its element begins.
            content: The other text.

        Returns:
            Whether the element is written in a way that is known here.
        """
        tag = start_tag(self.bytes_at(begin, LONGEST_TAG))
        if tag is None:
            return False
        around = (b"<%s%s>" % (tag.name, tag.attributes), b"</%s>" % tag.name if tag.empty else b"")
        self.patches.append(Patch(begin, self.place, content.join(around)))
        return True

    def note_fine_time(self, said: str, line: int) -> None:
        """Warn of a time that is finer than milliseconds."""
        if "times_cut" not in self._warned and (found := _FINE_TIME.match(said)):
            self.warn_once(
                "times_cut",
                "times_cut",
                f"Times such as {found[0].strip()!r} are cut to milliseconds.",
                "Use GeoPackage or GeoJSON, which keep them, where that matters.",
                line - said.count("\n"),
            )


def list_of(item: str) -> re.Pattern[str]:
    """A list of positions, as far as it is one."""
    return re.compile(rf"\s*+(?:{item}(?:\s++{item})*+\s*+)?+", re.ASCII)


def bad_coordinate(text: str, line: int) -> Unreadable:
    """What to say of a text that is no coordinate."""
    return Unreadable(
        "bad_coordinate",
        f"There is {text[:_SHOWN].strip()!r} where a coordinate is expected.",
        "Write each as a number with a point, and as many for every position as the format demands.",
        f"line {line}",
    )


class StartTag(NamedTuple):
    """How an element begins.

    Attributes:
        name: With its prefix.
        attributes: As they stand, with the blanks before them.
        empty: Whether the element ends with it.
        length: In bytes.
    """

    name: bytes
    attributes: bytes
    empty: bool
    length: int

    @property
    def prefix(self) -> bytes:
        """That of the name, with its colon; or nothing."""
        return b"".join(self.name.rpartition(b":")[:2])


def start_tag(text: bytes) -> StartTag | None:
    """The tag that some bytes begin with; None where they are written in another way, such as in UTF-16."""
    found = _START.match(text)
    return found and StartTag(found[1], found[2], bool(found[3]), found.end())
