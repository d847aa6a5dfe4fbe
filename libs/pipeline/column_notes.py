"""What sources say of columns besides names and types, on its way to the lake file: titles, and the domains of coded values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from libs.compute.engine import Processed
from libs.models import ColumnNotes, Problem

FILE_KEY = "spatial_etl:columns"
"""Key of a lake file's metadata: a JSON object, for each column of which something is known its ``ColumnNotes``."""


@dataclass
class SourceNotes:
    """What the sources of one dataset say of their columns, by their names in the lake."""

    _known: dict[str, ColumnNotes] = field(default_factory=dict)
    _disputed: set[str] = field(default_factory=set)

    def add(self, told: Mapping[str, ColumnNotes | None], where: str) -> list[Problem]:
        """Take in what a further source says. Where sources do not agree on a column, nothing is known of it.

        Args:
            told: Of every column of the source.
            where: The source, for problems.

        Returns:
            A warning for each column that is not agreed on from here on.
        """
        differing = []
        for name, notes in told.items():
            if notes is None or name in self._disputed:
                continue
            agreed = self._known.get(name, notes).merged(notes)
            if agreed is not None:
                self._known[name] = agreed
            else:
                differing.append(name)
                self._disputed.add(name)
        return [
            Problem(
                code="column_notes_differ", where=where,
                message=f"The column {name!r} has another title, or a domain of other labels, than in what goes into the same "
                "dataset before it: neither is kept.",
                remedy="Make them alike, or give each file a 'dataset_id' of its own.",
            )
            for name in differing
        ]  # fmt: skip

    def of_columns(self, schema: pa.Schema) -> dict[str, ColumnNotes]:
        """What is known of columns that have the names that they had at their sources, in their order."""
        return {name: self._known[name] for name in schema.names if name in self._known and name not in self._disputed}

    def of_result(self, processed: Processed) -> dict[str, ColumnNotes]:
        """What is known of the columns of a result, in their order."""
        known = {name: notes for name, notes in self._known.items() if name not in self._disputed}
        result: dict[str, ColumnNotes] = {}
        for item in processed.schema:
            notes = known.get(processed.origins.get(item.name, ""))
            if notes is not None:
                result[item.name] = notes.as_text() if pa.types.is_string(item.type) else notes
        return result


def notes_of(schema: pa.Schema) -> dict[str, ColumnNotes | None]:
    """What a lake file says of its columns: the reverse of :func:`file_metadata`, for each of them."""
    told = json.loads((schema.metadata or {}).get(FILE_KEY.encode(), b"{}"))
    return {name: ColumnNotes.model_validate(told[name]) if name in told else None for name in schema.names}


def file_metadata(notes: Mapping[str, ColumnNotes]) -> dict[str, str] | None:
    """Metadata of a lake file that says it all; None when there is nothing to say."""
    if not notes:
        return None
    told = {name: each.model_dump(mode="json", exclude_defaults=True) for name, each in notes.items()}
    return {FILE_KEY: json.dumps(told, ensure_ascii=False, separators=(",", ":"))}
