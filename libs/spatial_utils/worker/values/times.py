"""Times as they stand in the file.

GDAL's Arrow gives one time zone to a column and drops what disagrees, so where it does not vouch for a column, the column is
read as text and gets its type here: one that holds for every value.

Upstream: OSGeo/gdal#8460 and OSGeo/gdal#11212 brought zones of columns, and text where they are mixed.
"""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from libs.remedies import way_in
from libs.spatial_utils.worker.protocol import SchemaInferenceFailed, Unreadable
from libs.spatial_utils.worker.quarantine import REJECT, Quarantine

UNKNOWN_ZONE, LOCAL, MIXED, UTC = 0, 1, 2, 100
"""GDAL's flags of a column; others are ``UTC`` plus quarters of an hour."""
_SHAPE = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?P<fraction>\.[0-9]{1,9})?)?"
    r"(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?$"
)
_DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_DATE_LENGTH = len("2024-05-01")
_MILLISECONDS, _MICROSECONDS = 4, 7  # digits of a fraction, with its point


def date_that_exists(separator: bytes) -> bytes:
    """A regular expression for dates that the calendar has, of four digits, two and two.

    Args:
        separator: What stands between them, a regular expression too.
    """
    leap = rb"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
    months = (
        (rb"[0-9]{4}", rb"(?:0[13578]|1[02])", rb"(?:0[1-9]|[12][0-9]|3[01])"),
        (rb"[0-9]{4}", rb"(?:0[469]|11)", rb"(?:0[1-9]|[12][0-9]|30)"),
        (rb"[0-9]{4}", rb"02", rb"(?:0[1-9]|1[0-9]|2[0-8])"),
        (leap, rb"02", rb"29"),
    )
    return rb"(?:" + rb"|".join(map(separator.join, months)) + rb")"


def zone_of_flag(flag: int) -> str | None:
    """The time zone that a flag of GDAL means; None for a column without one."""
    if flag <= MIXED:
        return None
    if flag == UTC:
        return "UTC"
    minutes = (flag - UTC) * 15
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


@dataclass
class TimeInference:
    """What the values of a column of times look like.

    Attributes:
        empty: The type of a column without values.
        zones: Time zones seen, ``None`` for values without one.
        digits: Longest fraction of a second, with its point.
        dates: Whether a value is a date without a time.
        other: Whether a value is none of these.
    """

    empty: pa.DataType
    zones: set[str | None] = field(default_factory=set)
    digits: int = 0
    dates: bool = False
    other: bool = False

    def add(self, texts: pa.Array) -> None:
        """Look at more values."""
        if self._add_plain(texts):
            return
        values = normal(texts).drop_null()
        days = pc.match_substring_regex(values, _DAY)
        if pc.any(days).as_py():
            self._add_days(values.filter(days))
            values = values.filter(pc.invert(days))
        parts = pc.extract_regex(values, _SHAPE)
        if parts.null_count:
            self.other = True
            parts = parts.drop_null()
        if len(parts):
            digits = pc.max(pc.binary_length(parts.field("fraction"))).as_py() or 0
            self.zones |= {_zone(text) for text in pc.unique(parts.field("zone")).to_pylist()}
            self.digits = max(self.digits, digits)
            self.other |= not _exist(values, parts.field("zone"), _unit(digits))

    def _add_days(self, texts: pa.Array) -> None:
        try:
            texts.cast(pa.date32())
        except pa.ArrowInvalid:
            self.other = True
        else:
            self.dates = True

    def confirm(self, texts: pa.Array, announced: pa.DataType) -> None:
        """Look at more values of a column whose type was announced.

        Raises:
            SchemaInferenceFailed: when they make it another.
        """
        self.add(texts)
        if self.type != announced:
            raise SchemaInferenceFailed

    def _add_plain(self, texts: pa.Array) -> bool:
        """The common cases, fast: ISO 8601 without zones, or in UTC throughout. Whether it is one of them."""
        zone = "UTC" if pc.all(pc.ends_with(texts, "Z")).as_py() else None  # "of none" is true, too: then it does not matter
        try:
            texts.cast(pa.timestamp("us", zone))
        except pa.ArrowInvalid:
            return False
        lengths = pc.min_max(pc.binary_length(texts)).as_py()
        if lengths["max"] is None:
            return True
        self.dates |= lengths["min"] <= _DATE_LENGTH
        if lengths["max"] > _DATE_LENGTH:
            self.zones.add(zone)
            self.digits = max(self.digits, lengths["max"] - len("2024-05-01T10:00:00") - (len("Z") if zone else 0))
        return True

    @property
    def settled(self) -> bool:
        """Whether no further value can change the type."""
        return self.other or len(self.zones) + self.dates > 1

    @property
    def type(self) -> pa.DataType:
        """The type that keeps every value: text when they do not agree."""
        if self.settled:
            return pa.string()
        if self.dates:
            return pa.date32()
        if not self.zones:
            return self.empty
        return pa.timestamp(_unit(self.digits), next(iter(self.zones), None))


def _unit(digits: int) -> str:
    """The unit for fractions of this length, with their point."""
    return "ms" if digits <= _MILLISECONDS else "us" if digits <= _MICROSECONDS else "ns"


def _exist(values: pa.Array, zones: pa.Array, unit: str) -> bool:
    """Whether these are moments of the calendar: the 31st of April is not."""
    if len(values) != len(zones):
        return False
    zoned = pc.not_equal(zones, "")
    try:
        values.filter(zoned).cast(pa.timestamp(unit, "UTC"))
        values.filter(pc.invert(zoned)).cast(pa.timestamp(unit))
    except pa.ArrowInvalid:
        return False
    return True


def normal(texts: pa.Array) -> pa.Array:
    """GDAL's spellings as ISO 8601: ``2020/01/02 10:11:12+00`` as ``2020-01-02T10:11:12+00``."""
    return pc.replace_substring(pc.replace_substring(pc.utf8_trim_whitespace(texts), "/", "-"), " ", "T")


def parse(texts: pa.Array, kind: pa.DataType, name: str, place: str) -> pa.Array:
    """Text as times of a type.

    Raises:
        Unreadable: when a value has a time zone and the type has none, or the other way round, or is no time.
    """
    if pa.types.is_string(kind):
        return texts
    try:
        # Arrow takes a zone only in a type that has one, and converts to UTC, as it stores it
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid:
            return normal(texts).cast(kind)
    except pa.ArrowInvalid as error:
        raise Unreadable(
            "mixed_time_zones",
            f"The times of the column {name!r} do not all have a time zone, or are no times: {_reason(error)}.",
            "Give every value of the column a time zone, or none.",
            place,
        ) from error


def parse_by_policy(texts: pa.Array, kind: pa.DataType, name: str, place: str, first: int, quarantine: Quarantine) -> pa.Array:
    """Text as times of a type, where the policies may say what to do with values that are not times.

    Args:
        texts: Of a batch.
        kind: The type.
        name: Of the column.
        place: Of the layer.
        first: Number of the batch's first feature, from 0.
        quarantine: Takes the rows of values that are no times of the type.

    Raises:
        Unreadable: where the policy is to reject.
    """
    try:
        return parse(texts, kind, name, place)
    except Unreadable as problem:
        if quarantine.policy("value") == REJECT:
            problem.remedy += way_in("value")
            raise
    values = texts.to_pylist()
    for row, value in enumerate(values):
        try:
            parse(texts.slice(row, 1), kind, name, f"{place}, feature {first + row + 1}")
        except Unreadable as problem:
            quarantine.meet("value", row, problem, name, value)
            values[row] = None
    return parse(pa.array(values, texts.type), kind, name, place)


def _zone(text: str) -> str | None:
    if not text:
        return None
    if text in {"Z", "+00", "+00:00", "+0000", "-00:00"}:
        return "UTC"
    digits = text[1:].replace(":", "").ljust(4, "0")
    return f"{text[0]}{digits[:2]}:{digits[2:]}"


def _reason(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0].rstrip(".")
