"""What a platform has done, counted from its ledger. Decisions do not change: each is read once, however often one counts."""

from collections import Counter
from datetime import datetime

from libs.ledger.records import Records, lost
from libs.models import Decision, Outcome, Status

_Shape = tuple[int, int, int]
"""Of a batch: how many manifests, runs and outcomes it has. While it stays, so does what was decided."""

_PLAIN: _Shape = (1, 1, 1)


class Tally:
    """Counts of all that the ledger holds, as of the last :meth:`update`. Not to be shared between threads.

    Args:
        records: The ledger.

    Attributes:
        batches: How many stand where, as ``status`` shows them.
        runs: How many were decided how.
        problems: Of runs, and of manifests that never became one; how many of each code.
        warnings: Of runs; how many of each code.
        seconds: Wall time of the versions that were made, by phase.
        features: Rows of these versions.
        read: Bytes of the raw files that they were made from.
        written: Bytes of their files.
        versions: How many there are.
        datasets: How many have a version.
        last: When a run was last decided so.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._counted: set[str] = set()
        self._judged: set[str] = set()
        self._known: dict[str, tuple[_Shape, Status]] = {}
        self.batches: Counter[Status] = Counter()
        self.runs: Counter[Decision] = Counter()
        self.problems: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self.features = self.read = self.written = self.versions = self.datasets = 0
        self.last: dict[Decision, datetime] = {}

    def update(self) -> None:
        """Count what was decided since the last time.

        Raises:
            ServiceUnavailable: when the ledger cannot be read. What was counted is not counted again.
        """
        store = self._records.store
        # In this order: a run is there before its outcome, a manifest before its run.
        outcomes, runs, manifests = ([*store.ids(name)] for name in ("outcomes", "runs", "manifests"))
        versions = self._records.newest_versions()
        self.versions, self.datasets = sum(1 for _ in self._records.version_ids()), len(versions)
        fresh: dict[str, Outcome] = {}
        for outcome in self._records.outcomes([each for each in outcomes if each not in self._counted], len(outcomes)):
            self._count(outcome)
            fresh[outcome.batch_id] = outcome.model_copy(update={"assets": (), "lineage": ()})
        shapes = [
            Counter(each.rpartition(mark)[0] for each in ids) for ids, mark in ((manifests, "@"), (runs, "#"), (outcomes, "#"))
        ]
        for batch_id in shapes[0]:
            shape = (shapes[0][batch_id], shapes[1][batch_id], shapes[2][batch_id])
            if status := self._status(batch_id, shape, fresh.get(batch_id)):
                self._known[batch_id] = shape, status
        self.batches = Counter(status for _, status in self._known.values())

    def _count(self, outcome: Outcome) -> None:
        self._counted.add(outcome.run_id)
        self.runs[outcome.decision] += 1
        self.problems.update(problem.code for problem in outcome.problems)
        self.warnings.update(warning.code for warning in outcome.warnings)
        before = self.last.get(outcome.decision)
        self.last[outcome.decision] = outcome.decided_at if before is None else max(before, outcome.decided_at)
        for asset in outcome.assets:
            self.features += asset.features or 0
            self.written += sum(file.bytes for file in asset.files)
        read: dict[str, int] = {}  # a file of several layers was read for each of them, and is one
        for lineage in outcome.lineage:
            self.seconds.update(lineage.seconds)
            read |= {each.key: each.bytes for layer in lineage.inputs for each in layer.objects}
        self.read += sum(read.values())

    def _status(self, batch_id: str, shape: _Shape, fresh: Outcome | None) -> Status | None:
        """Where a batch stands; None when what is known of it still holds."""
        known = self._known.get(batch_id)
        if known is not None and known[0] == shape and known[1] not in {Status.RUNNING, Status.LOST}:
            return None
        if shape == _PLAIN and fresh is not None and not lost(fresh):
            return Status(fresh.decision)  # what `Records.batch` says of nearly all, without its look-ups
        self._judge(batch_id, shape)
        state = self._records.batch(batch_id)
        return state.status if state else None

    def _judge(self, batch_id: str, shape: _Shape) -> None:
        """Count why manifests were rejected before they became runs."""
        if shape[0] == shape[1] == 1:  # the one manifest became the one run
            return
        for receipt in self._records.receipts(batch_id):
            if receipt.id not in self._judged:
                self._judged.add(receipt.id)
                self.problems.update(problem.code for problem in receipt.problems)
