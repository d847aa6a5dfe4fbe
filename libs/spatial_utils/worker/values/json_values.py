"""Columns of values that come from JSON: the type that keeps every value, and the column."""

import json
from collections.abc import Callable, Collection, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

import pyarrow as pa

from libs.remedies import way_in
from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.quarantine import REJECT, Quarantine
from libs.spatial_utils.worker.values.doubles import EXACT, is_rounded
from libs.spatial_utils.worker.values.json_encoding import codec_of, decoded
from libs.spatial_utils.worker.values.text import ENCODING_REMEDY
from libs.spatial_utils.worker.values.times import TimeInference, parse

_SHOWN = 10
_INT32, _INT64 = range(-(2**31), 2**31), range(-(2**63), 2**63)


def document_of(path: Path, encoding: str | None, notes: Notes) -> Any:
    """A JSON text (RFC 8259) as a value.

    Args:
        path: Of the file.
        encoding: As the manifest says, or None.
        notes: Takes a warning where the text is not in UTF-8.

    Raises:
        Unreadable: ``damaged``, ``wrong_encoding``; ``value_lost`` for two members of one name; ``nul_character``.
    """
    try:
        text = decoded(path.read_bytes(), codec_of(path, encoding, notes))
        return json.loads(text, object_pairs_hook=members_once)
    except RecursionError as error:
        raise _damaged("it is nested too deeply") from error
    except ValueError as error:
        raise _damaged(str(error)) from error


Lose = Callable[[int, int, Unreadable], None]
"""Takes an integer that its column does not keep: row, integer, and what is wrong with it."""


class LostIntegers:
    """Integers that their columns do not keep, for the policies.

    Args:
        quarantine: Of the layer.
        place: The layer, for problems.
    """

    def __init__(self, quarantine: Quarantine, place: str) -> None:
        self._quarantine, self._place = quarantine, place
        self._lost = dict[int, dict[str, tuple[int, Unreadable]]]()

    def of(self, name: str) -> Lose:
        """Takes those of a column; raises the problem where the policy is to reject."""

        def lose(row: int, number: int, problem: Unreadable) -> None:
            problem.place = f"{self._place}, feature {row + 1}"
            if self._quarantine.policy("value") == REJECT:
                problem.remedy += way_in("value")
                raise problem
            self._lost.setdefault(row, {})[name] = number, problem

        return lose

    def meet(self, first: int, rows: int) -> None:
        """Tell the quarantine of those in a batch: so many rows from one on."""
        for row in [row for row in self._lost if first <= row < first + rows]:
            for name, (number, problem) in self._lost[row].items():
                self._quarantine.meet("value", row - first, problem, name, str(number))


def inferred(values: Sequence[Any], name: str, place: str, lose: Lose) -> pa.Array:
    """Values as a column of the narrowest type that keeps all of them; text as JSON where they do not agree.

    Args:
        values: As ``json`` reads them.
        name: Of the column, for problems.
        place: For problems.
        lose: Takes integers that no column of numbers keeps, which are null then.

    Raises:
        Unreadable: whatever ``lose`` raises.
    """
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds and kinds <= {int, float}:
        return _numbers(values, kinds, name, place, lose)
    if kinds == {str}:
        return _texts_or_times(texts(values, name), name, place)
    return texts(values, name)


def texts(values: Sequence[Any], name: str) -> pa.Array:
    """Values of whatever types as text: what is not text, as JSON spells it."""
    spelled = [value if value is None or type(value) is str else json.dumps(value, ensure_ascii=False) for value in values]
    if any(text and "\0" in text for text in spelled):
        raise Unreadable(
            "nul_character", f"A text of {name!r} holds the NUL character, which no database keeps.", "Remove it from the text."
        )
    try:
        return pa.array(spelled, pa.string())
    except UnicodeEncodeError as error:
        raise Unreadable("wrong_encoding", f"Text of {name!r} is not UTF-8: {error}.", ENCODING_REMEDY) from error


def tell_foreign(members: Collection[str], notes: Notes, place: str) -> None:
    """Warn of members of features that no column takes."""
    if members:
        shown = ", ".join(map(repr, sorted(members)[:_SHOWN])) + (", ..." if len(members) > _SHOWN else "")
        notes.warn(
            "members_not_read",
            f"Features have members beside their properties, which are not read: {shown}.",
            "Put them into 'properties' if they are wanted.",
            place,
        )


def name_of_ids(taken: Collection[str]) -> str:
    """A name for the column of the features' own identifiers, beside the names of their properties."""
    names = chain(("id", "feature_id"), map("feature_id_{}".format, count(2)))
    return next(name for name in names if name not in taken)


def _numbers(values: Sequence[Any], kinds: set[type], name: str, place: str, lose: Lose) -> pa.Array:
    whole = [value for value in values if type(value) is int]
    if kinds == {int} and all(value in _INT64 for value in whole):
        return pa.array(values, pa.int32() if all(value in _INT32 for value in whole) else pa.int64())
    lost = next((value for value in whole if not -EXACT <= value <= EXACT and is_rounded(value)), None)
    if lost is None:
        return _doubles(values)
    kept = list(values)
    for row, value in enumerate(values):
        if type(value) is int and (is_rounded(value) if float in kinds else value not in _INT64):
            lose(row, value, _integer_lost(value, name, place))
            kept[row] = None
    return _doubles(kept) if float in kinds else pa.array(kept, pa.int64())


def _integer_lost(number: int, name: str, place: str) -> Unreadable:
    return Unreadable(
        "integer_lost",
        f"The integer {number} of the column {name!r} would be rounded: it has too many digits, or stands among fractions.",
        "Write the values as text (in quotation marks), or use GeoPackage.",
        place,
    )


def _doubles(values: Sequence[Any]) -> pa.Array:
    return pa.array([None if value is None else float(value) for value in values], pa.float64())


def _texts_or_times(column: pa.Array, name: str, place: str) -> pa.Array:
    inference = TimeInference(pa.string())
    inference.add(column)
    return parse(column, inference.type, name, place)


def members_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members, for ``json``.

    Raises:
        Unreadable: ``value_lost`` for two of one name.
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable(
            "value_lost",
            f"An object has the member {twice!r} twice: one of the two would be lost.",
            "Give each a name of its own.",
        )
    return members


def _damaged(reason: str) -> Unreadable:
    return Unreadable(
        "damaged",
        f"The file is not valid JSON: {reason}.",
        "Check the file with the program that made it, and write or upload it again.",
    )
