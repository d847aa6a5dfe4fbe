"""What GDAL's complaints mean: damage, a wrong encoding, or something that an uploader may merely want to know.

What GDAL passes over, it says in its messages only. No upstream issue is known (GDAL 3.12.4).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from libs.spatial_utils.worker.ogr.gdal import FAILURE
from libs.spatial_utils.worker.protocol import Notes, Unreadable

_HARMLESS = re.compile(r"CRS EPSG:\d{6} is deprecated|Non closed ring detected")
"""A code of ESRI's, of which there is a warning of our own; and rings that a policy has dealt with."""
_NOT_RECOGNIZED = re.compile("not recognized")
"""Of a file that cannot be opened: the caller has a better message."""
_ENCODING = re.compile(r"couldn't be converted|Recode from .* not supported|invalid UTF-?8|not .*UTF-?8", re.IGNORECASE)
_CRS = re.compile(
    r"^PROJ|^missing \[|crs not found|EPSG PCS/GCS code .* not found|Unrecognized CRS|unsupported CRS", re.IGNORECASE
)
_OF_ESRI = re.compile(r"(EPSG:\d+) is not a valid CRS code, but (ESRI:\d+) is")
_REMOTE = re.compile(
    r"ALLOW_NETWORK_ACCESS|Could not resolve host|HTTP error|\bcurl\b|Failed to connect|Could not connect", re.IGNORECASE
)
_LOSS = re.compile(
    r"invalid content|parsed incompletely|out of range|overflow|truncat|corrupt|not a valid|is not a|cannot be parsed",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class MessageRule:
    """What a message of GDAL means, whatever severity GDAL gives it.

    Attributes:
        pattern: Finds the message.
        code: Of the problem or warning.
        message: ``{}`` stands for GDAL's message in a loss, for the pattern's first group in a note.
        remedy: What to do.
    """

    pattern: re.Pattern[str]
    code: str
    message: str
    remedy: str


@dataclass(frozen=True)
class MessageRules:
    """What GDAL's messages mean for one format, beside what they mean for every one. These rules come first.

    Attributes:
        harmless: Messages that say nothing an uploader needs to know.
        losses: Messages that say that something is lost.
        notes: Messages that become a warning.
    """

    harmless: tuple[re.Pattern[str], ...] = ()
    losses: tuple[MessageRule, ...] = ()
    notes: tuple[MessageRule, ...] = ()


_LOSSES: tuple[MessageRule, ...] = (
    MessageRule(
        _CRS,
        "unknown_crs",
        "The file names a CRS that is not known here: {}.",
        "Correct it in the file; or remove it there and give 'crs' in the manifest.",
    ),
    MessageRule(
        _REMOTE,
        "remote_reference",
        "The file refers to something on the network, which is never fetched: {}.",
        "Put what it refers to into the file itself.",
    ),
    MessageRule(
        _ENCODING,
        "wrong_encoding",
        "Text cannot be decoded: {}.",
        'Write "encoding": "cp1252" (or what it was written in, such as UTF-8) for this file in the manifest.',
    ),
)
_NOTES: tuple[MessageRule, ...] = (
    MessageRule(
        re.compile("(.*)", re.DOTALL), "gdal_warning", "GDAL reports: {}.", "Check whether the data is as you expect it."
    ),
)


def classify(
    complaints: Iterable[tuple[int, str]], notes: Notes, place: str, rules: MessageRules, *, opening: bool = False
) -> None:
    """Turn what GDAL said into a problem or into warnings.

    Args:
        complaints: Severity and message, in order.
        notes: Takes the warnings.
        place: Within the file.
        rules: Of the format.
        opening: Whether the file could not be opened: then the message is the reason, whatever its severity.

    Raises:
        Unreadable: when something was lost, or may have been.
    """
    for severity, message in complaints:
        said = message.rstrip(".")
        if any(pattern.search(message) for pattern in (_HARMLESS, *rules.harmless, *((_NOT_RECOGNIZED,) if opening else ()))):
            continue
        if match := _OF_ESRI.search(message):
            epsg, esri = match.groups()
            text = f"{epsg!r} is not a code of EPSG but of ESRI; it was read as {esri}."
            notes.warn("crs_code_not_epsg", text, f"Write {esri}, if that is what it is.", place)
            continue
        for rule in (*rules.losses, *_LOSSES):
            if rule.pattern.search(message):
                raise Unreadable(rule.code, rule.message.format(said), rule.remedy, place)
        if severity >= FAILURE or opening:
            raise Unreadable(
                "damaged",
                f"GDAL reports: {said}.",
                "Check the file with the program that made it, and write or upload it again.",
                place,
            )
        if _LOSS.search(message):
            raise Unreadable(
                "value_lost",
                f"GDAL cannot read a value as it is: {said}.",
                "Correct the value, or write the column as text.",
                place,
            )
        for rule in (*rules.notes, *_NOTES):
            if match := rule.pattern.search(said):
                notes.warn(rule.code, rule.message.format(match[1]), rule.remedy, place)
                break
