"""Rows that cannot be kept as they are: refused, set aside, or changed, as the policies of the request say."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from libs.column_names import PROBLEM, RAW
from libs.remedies import way_in
from libs.spatial_utils.worker.protocol import Notes, Unreadable

REJECT, SET_ASIDE, NULL, FIX = "reject", "set_aside", "null", "fix"
_OFFSET = re.compile("([+-])([0-9]{2}):([0-9]{2})")


class Quarantine:
    """What happens to the bad rows of a layer.

    Rows that are set aside are sent in their place, with null where something cannot be read, and with two more columns: what is
    wrong (JSON), and the values as they stand in the file (JSON, in the order of the columns). Both are null in good rows.

    Args:
        policies: ``on_bad_value``, ``on_bad_geometry`` and ``on_bad_text``.
        notes: Takes counts and warnings.

    Attributes:
        lost_geometries: How many geometries could not be read, and are null.
    """

    def __init__(self, policies: Mapping[str, str | None], notes: Notes) -> None:
        self._policies, self._notes = policies, notes
        self._bad: dict[int, Unreadable] = {}
        self._texts: dict[int, dict[str, str]] = {}
        self._whole: dict[int, Sequence[str | None]] = {}
        self._told = set[tuple[str, str]]()
        self._unplaced = set[int]()
        self.lost_geometries = 0

    def policy(self, kind: str) -> str:
        """What to do with bad rows of a kind: ``value``, ``geometry`` or ``text``."""
        return self._policies.get(f"on_bad_{kind}") or REJECT

    @property
    def fields(self) -> list[pa.Field]:
        """The further columns; none where no policy sets rows aside."""
        sets_aside = any(policy == SET_ASIDE for policy in self._policies.values())
        return [pa.field(PROBLEM, pa.string()), pa.field(RAW, pa.string())] if sets_aside else []

    def meet(self, kind: str, row: int, problem: Unreadable, column: str = "", text: str | None = None) -> None:
        """Deal with a value that cannot be kept; it is null from then on.

        Args:
            kind: ``value``, ``geometry`` or ``text``.
            row: Of the batch.
            problem: What is wrong. Its remedy names the policies, too.
            column: Name of the column; empty for the geometry.
            text: The value as it stands in the file, where the ``values`` of :meth:`columns` are others.

        Raises:
            Unreadable: the problem, where the policy is to reject.
        """
        if kind == "geometry":
            self._unplaced.add(row)
            self.lost_geometries += 1
        policy = self.policy(kind)
        if policy == SET_ASIDE:
            self._bad.setdefault(row, problem)
            if text is not None:
                self._texts.setdefault(row, {})[column] = text
            return
        if policy != NULL:
            problem.remedy += way_in(kind)
            raise problem
        self._notes.counts[f"bad_{kind}_to_null"] += 1
        if (kind, column) in self._told:
            return
        self._told.add((kind, column))
        where = f"the column {column!r}" if column else "the geometry"
        self._notes.warn(
            "made_null",
            f"What cannot be read in {where} became null, as 'on_bad_{kind}' says. The first: {problem.message}",
            "Correct the values in their source, if they are wanted.",
            problem.place,
        )

    def set_aside(self, row: int, problem: Unreadable, values: Sequence[str | None]) -> None:
        """Set a row aside as a whole, where the policy for values says so: which value is whose is not known.

        Args:
            row: Of the batch.
            problem: What is wrong.
            values: Of the attributes, as far as they can be told.
        """
        self._bad.setdefault(row, problem)
        self._whole[row] = values

    def has(self, row: int) -> bool:
        """Whether the geometry of a row of the batch was met already, or the row is set aside for something else."""
        return row in self._unplaced or row in self._bad

    def columns(self, rows: int, names: Sequence[str], values: Sequence[pa.Array]) -> list[pa.Array]:
        """The further columns of a batch, which is then done with.

        Args:
            rows: Of the batch.
            names: Of its attributes; a name may stand twice.
            values: Of its attributes, as they stand in the file, or as they are sent where :meth:`meet` was given the text.
        """
        self._unplaced.clear()
        if not self.fields:
            return []
        bad, self._bad = self._bad, {}
        texts, self._texts = self._texts, {}
        whole, self._whole = self._whole, {}
        problems: list[str | None] = [None] * rows
        raw: list[str | None] = [None] * rows
        for row, problem in bad.items():
            problems[row] = json.dumps({"code": problem.code, "message": problem.message, "place": problem.place})
            own = texts.get(row, {})
            said = whole.get(row) or [
                own[name] if name in own else _text_of(column[row]) for name, column in zip(names, values, strict=True)
            ]
            raw[row] = json.dumps(said, ensure_ascii=False)
        return [pa.array(problems, pa.string()), pa.array(raw, pa.string())]


def _text_of(value: pa.Scalar) -> str | None:
    """A value as text. For times with a zone Python would look for time zones among files that cannot be opened here."""
    kind = value.type
    if not value.is_valid:
        return None
    if not pa.types.is_timestamp(kind):
        return str(value.as_py())
    moment, offset = value.cast(pa.timestamp(kind.unit)), ""
    if kind.tz is not None:
        found = _OFFSET.fullmatch(kind.tz)
        offset = kind.tz if found else "+00:00"
        if found:
            minutes = int(f"{found[1]}1") * (int(found[2]) * 60 + int(found[3]))
            moment = pc.add(moment, pa.scalar(timedelta(minutes=minutes), pa.duration(kind.unit)))
    text: str = moment.cast(pa.string()).as_py()
    return (text.rstrip("0").rstrip(".") if "." in text else text) + offset


def way_in_by_null(what: str) -> str:
    """What the remedy of a problem says of a value that may be null.

    Args:
        what: Is done: the beginning of the sentence.
    """
    return f' {what}: write "on_bad_value": "null" in the manifest.'


def way_in_by_fix(what: str) -> str:
    """What the remedy of a problem says of a geometry's standard correction, where that is the only policy that helps.

    Args:
        what: Is done: the beginning of the sentence.
    """
    return f' {what}: write "on_bad_geometry": "fix" in the manifest.'
