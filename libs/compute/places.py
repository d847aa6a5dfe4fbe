"""Sources that are appended to each other: they must agree, and each row can be named by its place."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from libs.compute.engine import Source
from libs.models import Rejected


@dataclass
class Places:
    """The sources so far, in order."""

    _starts: list[int] = field(default_factory=list)
    _names: list[str] = field(default_factory=list)
    _features: list[Callable[[int], int]] = field(default_factory=list)

    def add(self, source: Source, first_row: int, schema: pa.Schema, crs: str | None) -> None:
        """Note a further source and where its rows begin.

        Args:
            source: It.
            first_row: Number of its first row.
            schema: Of the first source.
            crs: The same.

        Raises:
            Rejected: when it does not agree with the first in columns, types and CRS, naming the difference.
        """
        if self._names:
            self._require_agreement(source, schema, crs)
        self._starts.append(first_row)
        self._names.append(source.where)
        self._features.append(source.feature_of)

    def locate(self, row: int) -> str:
        """The place of a row as problems name it."""
        index = bisect_right(self._starts, row) - 1
        return f"{self._names[index]}, feature {self._features[index](row - self._starts[index]) + 1:,}"

    def _require_agreement(self, source: Source, schema: pa.Schema, crs: str | None) -> None:
        mine = {item.name: str(item.type) for item in schema}
        theirs = {item.name: str(item.type) for item in source.schema}
        differences = [
            f"{name} is {theirs.get(name, 'missing')} instead of {type_}"
            for name, type_ in mine.items()
            if theirs.get(name) != type_
        ]
        differences += [f"{name} ({type_}) is added" for name, type_ in theirs.items() if name not in mine]
        if not differences and source.schema.names != schema.names:
            differences.append(f"the columns stand in another order than {', '.join(mine)}")
        if source.crs != crs:
            differences.append(f"the CRS is {source.crs or 'none'} instead of {crs or 'none'}")
        if differences:
            raise Rejected.because(
                "schema_mismatch",
                source.where,
                f"It does not agree with {self._names[0]}, which goes into the same dataset: {'; '.join(differences)}.",
                "Make the schemas alike, or give each file its own 'dataset_id' (for several layers of one file, leave it out).",
            )
