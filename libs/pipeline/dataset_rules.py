"""Quality rules of whole datasets: judged when all versions of a batch are made, and before any is placed in the lake."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from libs.column_names import RESERVED_NAMES
from libs.compute.merging import wider
from libs.compute.whole import Found, database, newest, repeated, unmatched
from libs.models import Asset, BBox, FileRole, Problem, Rejected, RuleResult, TableSummary, VectorSummary, shortened
from libs.models.quality import Extent, Features, ForeignKey, Fresh, QualityRule, Unique
from libs.pipeline.datasets import MadeDataset
from libs.pipeline.lake_files import fetched
from libs.pipeline.stack import Stack

if TYPE_CHECKING:
    import duckdb

_DAY = 86_400.0


class DatasetRules:
    """Holds the datasets of a batch against the rules that are for a dataset as a whole.

    Args:
        stack: Where other datasets are, and versions before.
        datasets: All of the batch.
        last: The version before of each that has one.
        scratch: A folder of the run's own.
    """

    def __init__(self, stack: Stack, datasets: Sequence[MadeDataset], last: Mapping[str, Asset], scratch: Path) -> None:
        self._stack, self._last, self._folder = stack, last, scratch / "rules"
        self._made = {dataset.dataset_id: dataset for dataset in datasets}
        self._fetched: dict[str, Sequence[Path]] = {}
        self._opened: duckdb.DuckDBPyConnection | None = None

    def hold(self) -> tuple[list[MadeDataset], list[Problem]]:
        """Judge them.

        Returns:
            The datasets with what was found, and warnings.

        Raises:
            Rejected: with each rule that does not hold, of those that reject, and each that does not fit its dataset.
        """
        refused: list[Problem] = []
        warnings: list[Problem] = []
        judged: list[MadeDataset] = []
        with ExitStack() as opened:
            opened.callback(self._close)
            for dataset in self._made.values():
                results = list(dataset.rule_results)
                for rule in dataset.rules:
                    if rule.of_rows:
                        continue
                    try:
                        result = self._judge(rule, dataset)
                    except Rejected as rejected:
                        refused += rejected.problems
                        continue
                    results.append(result)
                    if result.failed:
                        (refused if rule.severity == "reject" else warnings).append(_broken(dataset, rule, result))
                judged.append(replace(dataset, rule_results=tuple(results)))
        if refused:
            raise Rejected(shortened(refused))
        return judged, warnings

    def _judge(self, rule: QualityRule, dataset: MadeDataset) -> RuleResult:
        last = self._last.get(dataset.dataset_id)
        match rule:
            case Unique():
                _require(rule.columns, rule, dataset)
                return _of_keys(rule, repeated(self._database, _paths(dataset), rule.columns), "stand more than once")
            case ForeignKey():
                return self._foreign_key(rule, dataset)
            case Features():
                return _count(rule, sum(file.features or 0 for file in dataset.files if file.role == FileRole.DATA), last)
            case Extent():
                if not isinstance(dataset.summary, VectorSummary):
                    raise _unfit(rule, dataset, "It is about the extent, and this is a table without one.")
                return _extent(rule, dataset.summary, last)
            case Fresh():
                return self._fresh(rule, dataset)
        raise LookupError(f"no rule of a dataset: {rule.rule}")

    def _foreign_key(self, rule: ForeignKey, dataset: MadeDataset) -> RuleResult:
        _require(rule.columns, rule, dataset)
        columns = rule.refers_to or rule.columns
        others, name = self._other(rule, dataset)
        own, theirs = pq.read_schema(_paths(dataset)[0]), pq.read_schema(others[0])
        for one, other in zip(rule.columns, columns, strict=True):
            if other not in theirs.names:
                raise _unfit(rule, dataset, f"There is no column {other!r} in {name}.", f"It has {_attributes(theirs)}.")
            types = own.field(one).type, theirs.field(other).type
            if not _comparable(*types):
                message = f"{one!r} is {types[0]} here, and {other!r} in {name} is {types[1]}: nothing was converted."
                raise _unfit(rule, dataset, message, "Give one of the two the other's type: a recipe's step 'cast' can do it.")
        found = unmatched(self._database, _paths(dataset), rule.columns, others, columns)
        result = _of_keys(rule, found, f"are not in {name}")
        return result.model_copy(update={"against": name})

    def _other(self, rule: ForeignKey, dataset: MadeDataset) -> tuple[Sequence[Path], str]:
        """The files of the dataset that a rule refers to, and what it is called: as this batch makes it, or of the lake."""
        identifier, _, number = rule.dataset.partition("@")
        if not number and identifier in self._made:
            made = self._made[identifier]
            if isinstance(made.summary, TableSummary | VectorSummary):
                return _paths(made), f"{identifier} of this batch"
        past = self._stack.past
        asset = past.asset(identifier, int(number)) if number else past.current([identifier]).get(identifier)
        if asset is None or asset.kind not in {"table", "vector"}:
            raise _unfit(
                rule, dataset, f"There is no dataset {rule.dataset!r} with features.", "'spatial-etl datasets' lists them."
            )
        if asset.id not in self._fetched:
            self._folder.mkdir(exist_ok=True)
            lake = self._stack.past_lake or self._stack.lake
            self._fetched[asset.id] = fetched(lake, asset, self._folder / f"{len(self._fetched) + 1}")
        return self._fetched[asset.id], asset.id

    def _fresh(self, rule: Fresh, dataset: MadeDataset) -> RuleResult:
        _require((rule.column,), rule, dataset)
        type_ = pq.read_schema(_paths(dataset)[0]).field(rule.column).type
        if not (pa.types.is_date(type_) or pa.types.is_timestamp(type_)):
            message = f"{rule.column!r} is {type_}, not a date or a timestamp."
            raise _unfit(rule, dataset, message, "Name another column, or make it one by a recipe's step 'cast'.")
        latest = newest(self._database, _paths(dataset), rule.column)
        if latest is None:
            return RuleResult.of(rule, 1, f"No feature has a value of {rule.column!r}.")
        days = (self._stack.ledger.clock().timestamp() - latest) / _DAY
        when = f"{datetime.fromtimestamp(latest, UTC):%Y-%m-%d %H:%M}"
        said = f"The newest {rule.column!r} is {when}, {days:,.1f} days ago; {rule.max_days:g} are allowed."
        return RuleResult.of(rule, int(days > rule.max_days), said)

    @property
    def _database(self) -> "duckdb.DuckDBPyConnection":
        if self._opened is None:
            self._folder.mkdir(exist_ok=True)
            self._opened = database(self._folder / "keys", self._stack.settings.spatial_etl_memory_mb)
            self._opened.execute("SET enable_geoparquet_conversion = false; SET TimeZone = 'UTC'")
        return self._opened

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()


def _paths(dataset: MadeDataset) -> Sequence[Path]:
    return [file.path for file in dataset.files if file.role == FileRole.DATA]


def _attributes(schema: pa.Schema) -> str:
    return ", ".join(name for name in schema.names if name not in RESERVED_NAMES) or "no columns"


def _require(columns: Sequence[str], rule: QualityRule, dataset: MadeDataset) -> None:
    schema = pq.read_schema(_paths(dataset)[0])
    for name in columns:
        if name not in schema.names or name in RESERVED_NAMES:
            raise _unfit(rule, dataset, f"There is no column {name!r}.", f"It has {_attributes(schema)}.")


def _comparable(one: pa.DataType, other: pa.DataType) -> bool:
    texts = (pa.types.is_string, pa.types.is_large_string)
    return wider(one, other) is not None or all(any(is_text(each) for is_text in texts) for each in (one, other))


def _of_keys(rule: Unique | ForeignKey, found: Found, how: str) -> RuleResult:
    if not found.features:
        return RuleResult.of(rule)
    more = f" and {found.values - len(found.examples):,} more" if found.values > len(found.examples) else ""
    columns = ", ".join(map(repr, rule.columns))
    what = "value" if found.values == 1 else "values"
    said = f"{found.values:,} {what} of {columns} {how}, in {found.features:,} features: {'; '.join(found.examples)}{more}."
    return RuleResult.of(rule, found.features, said)


def _count(rule: Features, features: int, last: Asset | None) -> RuleResult:
    before = last.features if last is not None else None
    wrong = []
    if rule.min is not None and features < rule.min:
        wrong.append(f"at least {rule.min:,} are asked for")
    if rule.max is not None and features > rule.max:
        wrong.append(f"at most {rule.max:,} are allowed")
    if last is not None and before is not None:
        if rule.min_share is not None and features < before * rule.min_share:
            wrong.append(f"{last.id} has {before:,}, of which {rule.min_share:g} is asked for")
        if rule.max_times is not None and features > before * rule.max_times:
            wrong.append(f"{last.id} has {before:,}, and {rule.max_times:g} times as many are allowed")
    said = f"It has {features:,} features; {'; '.join(wrong)}." if wrong else f"It has {features:,} features."
    return RuleResult.of(rule, int(bool(wrong)), said, _compared(rule, last))


def _extent(rule: Extent, now: VectorSummary, last: Asset | None) -> RuleResult:
    if last is None or last.bbox is None:
        return RuleResult.of(rule, said="Not judged: there is no extent before it.")
    if now.crs != last.crs:
        return RuleResult.of(rule, said=f"Not judged: {last.id} has another CRS.", against=last.id)
    covered, times = _overlap(now.bbox, last.bbox)
    wrong = []
    if rule.min_share is not None and covered < rule.min_share:
        wrong.append(f"{covered:.3g} of the extent of {last.id} lies in it, and {rule.min_share:g} is asked for")
    if rule.max_times is not None and times > rule.max_times:
        wrong.append(f"its extent is {times:.3g} times that of {last.id}, and {rule.max_times:g} times is allowed")
    said = "; ".join(wrong) or f"{covered:.3g} of the extent of {last.id} lies in it, which is {times:.3g} times as large"
    return RuleResult.of(rule, int(bool(wrong)), f"{said[:1].upper()}{said[1:]}.", last.id)


def _overlap(now: BBox | None, before: BBox) -> tuple[float, float]:
    """The share of an extent that another one covers, and how many times as large that one is.

    By sides, so that the extent of a line or a point is one, too. Of extents across the antimeridian, from south to north alone.
    """
    if now is None:
        return 0.0, 0.0
    covered = times = 1.0
    crosses = now[0] > now[2] or before[0] > before[2]
    for low in (1,) if crosses else (0, 1):
        begin, end, first, last = now[low], now[low + 2], before[low], before[low + 2]
        if last > first:
            covered *= max(0.0, min(end, last) - max(begin, first)) / (last - first)
            times *= (end - begin) / (last - first)
        elif not begin <= first <= end:
            covered = 0.0
    return covered, times


def _compared(rule: Features, last: Asset | None) -> str | None:
    asks = rule.min_share is not None or rule.max_times is not None
    return last.id if asks and last is not None else None


def _broken(dataset: MadeDataset, rule: QualityRule, result: RuleResult) -> Problem:
    passing = " To let it pass with a warning, give the rule the severity 'warn'." if rule.severity == "reject" else ""
    return Problem(
        code="rule_failed", where=f"dataset {dataset.dataset_id}", message=f"Rule {rule.label}: {result.said}",
        remedy=f"Correct it in its source, or the rule.{passing}",
    )  # fmt: skip


def _unfit(rule: QualityRule, dataset: MadeDataset, message: str, remedy: str = "Leave it out for this dataset.") -> Rejected:
    where = f"dataset {dataset.dataset_id}: rule {rule.label}"
    return Rejected.because("bad_rule", where, message, remedy)
