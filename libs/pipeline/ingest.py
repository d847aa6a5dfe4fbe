"""One run of a batch, from the claim to the commit: the order of effects that makes a crash harmless anywhere.

Stage and make in scratch; reserve and place in the lake; then one insert, the outcome, commits everything at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from libs.ledger import KEPT_PROBLEMS, DocumentTooLarge
from libs.models import (
    Asset,
    Decision,
    InputLayer,
    Lineage,
    Manifest,
    Outcome,
    Problem,
    Rejected,
    Reservation,
    Run,
)
from libs.pipeline.datasets import DatasetMaker, MadeDataset
from libs.pipeline.fault import fault
from libs.pipeline.lease import Lease, LeaseLost
from libs.pipeline.placing import Placed, lake_files, place
from libs.pipeline.progress import Event, Progress, no_progress
from libs.pipeline.scratch import run_folder
from libs.pipeline.stack import Stack
from libs.pipeline.validation import ValidBatch
from libs.spatial_utils.reading import sandbox_features
from libs.transformations import Recipe


def ingest(stack: Stack, run: Run, batch: ValidBatch, progress: Progress) -> Outcome | None:
    """Process a claimed batch and decide its run.

    Returns:
        What was decided; None when another worker had decided the run before.

    Raises:
        KeyboardInterrupt: after the run has been decided as canceled; so with all else that stops a worker from outside.
        ServiceUnavailable: after the run has been decided as a failure that is tried again.
    """
    attempt = _Attempt(stack, run, batch, progress)
    if not batch.intent_known:
        attempt.warnings.append(_unknown_intent(batch.manifest.intent, batch.recipe))
    stop: BaseException | None = None
    with Lease(stack.ledger, run) as lease, ExitStack() as kept:
        try:
            scratch = kept.enter_context(run_folder(stack.scratch, run.id))
            outcome = attempt.succeed(scratch, lease)
        except Rejected as rejection:
            outcome = attempt.outcome(Decision.REJECTED, rejection.problems)
        except LeaseLost:
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the uploader gets an answer
            stop, problem = fault(error, "the run failed")
            outcome = attempt.outcome(Decision.FAILURE, [problem])
        except BaseException as error:  # noqa: BLE001 - Ctrl-C, or an orchestrator's own kind of it; raised again below
            stop, outcome = error, attempt.outcome(Decision.CANCELED, [_canceled()])
        try:
            decided = stack.ledger.decide(outcome)
        except DocumentTooLarge as error:
            outcome = attempt.too_large(outcome, error)
            decided = stack.ledger.decide(outcome)
    if stop is not None:
        raise stop
    return outcome if decided else None


def canceled(stack: Stack, run: Run, batch: ValidBatch) -> Outcome | None:
    """Decide a claimed batch as canceled before anything is done; None when another worker had decided it."""
    outcome = _Attempt(stack, run, batch, no_progress).outcome(Decision.CANCELED, [_canceled()])
    return outcome if stack.ledger.decide(outcome) else None


class _Attempt:
    """What all outcomes of a run have in common, and the way to the good one."""

    def __init__(self, stack: Stack, run: Run, batch: ValidBatch, progress: Progress) -> None:
        self._stack, self._run, self._files, self._progress = stack, run, batch.files, progress
        self._manifest, self._recipe = batch.manifest, batch.recipe
        self.warnings: list[Problem] = []

    def outcome(
        self, decision: Decision, problems: Iterable[Problem] = (), assets: Iterable[Asset] = (), lineage: Iterable[Lineage] = ()
    ) -> Outcome:
        """A decision on the run."""
        return Outcome(
            run_id=self._run.id,
            batch_id=self._run.batch_id,
            decision=decision,
            decided_at=self._stack.ledger.clock(),
            decided_by=self._run.owner,
            intent=self._manifest.intent,
            recipe=self._recipe.name,
            problems=tuple(problems),
            warnings=tuple(self.warnings),
            assets=tuple(assets),
            lineage=tuple(lineage),
        )

    def too_large(self, outcome: Outcome, error: DocumentTooLarge) -> Outcome:
        """The decision in place of one that the ledger does not keep: a batch is committed by one record, or not at all."""
        lists = f"{len(outcome.assets):,} datasets, {len(outcome.problems):,} problems and {len(outcome.warnings):,} warnings"
        problem = Problem(
            code="batch_too_large", where="files",
            message=f"The record of this batch, with {lists}, would have {error.size:,} bytes; the ledger keeps at most "
            f"{error.limit:,}.",
            remedy="Split it into several batches, of fewer files or layers each.",
        )  # fmt: skip
        del self.warnings[KEPT_PROBLEMS:]
        return self.outcome(Decision.REJECTED, (problem, *outcome.problems[:KEPT_PROBLEMS]))

    def succeed(self, scratch: Path, lease: Lease) -> Outcome:
        """Make every dataset, then place every file: the lake sees nothing of a batch that cannot be made whole."""
        maker = DatasetMaker(self._stack, self._manifest, self._recipe, self._files, self._run.id, scratch, self._progress)
        try:
            datasets = maker.make()
        finally:
            self.warnings += maker.warnings
        if not datasets:
            raise Rejected.because(
                "nothing_to_do", "files", "None of the files holds a layer.", "Check that these are the right files."
            )

        def before(group: Sequence[MadeDataset]) -> None:
            lease.check()
            for dataset in group:
                self._progress(Event(self._run.batch_id, "place", dataset.dataset_id, dataset.summary.features))

        placed = place(self._stack.lake, self._stack.ledger, self._run, datasets, before)
        earlier = self._titled_before(datasets, placed)
        assets, lineage = [], []
        for dataset in datasets:
            reservation, seconds = placed[dataset.dataset_id].reservation, placed[dataset.dataset_id].seconds
            if dataset.dataset_id in earlier:
                self.warnings += _other_title(dataset, reservation, earlier[dataset.dataset_id])
            assets.append(self._asset(dataset, reservation))
            lineage.append(self._lineage(dataset, reservation, seconds))
        return self.outcome(Decision.SUCCESS, assets=assets, lineage=lineage)

    def _titled_before(self, datasets: Iterable[MadeDataset], placed: Mapping[str, Placed]) -> dict[str, Asset]:
        """The versions before these, of datasets that are called after their files and layers."""
        if self._manifest.metadata.get("dataset_id"):
            return {}
        files = self._manifest.files
        unnamed = [each for each in datasets if not any(files[layer.file].dataset_id for layer in each.inputs)]
        later = [each.dataset_id for each in unnamed if placed[each.dataset_id].reservation.version > 1]
        return self._stack.ledger.newest(later) if later else {}

    def _asset(self, dataset: MadeDataset, reservation: Reservation) -> Asset:
        return Asset(
            dataset_id=dataset.dataset_id,
            version=reservation.version,
            title=dataset.title,
            run_id=self._run.id,
            batch_id=self._run.batch_id,
            created_at=self._stack.ledger.clock(),
            summary=dataset.summary,
            changes=dataset.changes,
            files=lake_files(self._stack.lake, dataset, reservation),
        )

    def _lineage(self, dataset: MadeDataset, reservation: Reservation, placing: float) -> Lineage:
        manifest, inputs = _own_part(self._manifest, dataset.inputs)
        return Lineage(
            dataset_id=dataset.dataset_id,
            version=reservation.version,
            run_id=self._run.id,
            batch_id=self._run.batch_id,
            uploader=self._manifest.uploader,
            created_at=self._stack.ledger.clock(),
            intent=self._manifest.intent,
            recipe=self._recipe.model_dump(mode="json"),
            manifest=manifest.model_dump(mode="json", exclude_defaults=True),
            inputs=inputs,
            changes=dataset.changes,
            engine=self._stack.engine.capabilities.name,
            software=self._run.software | {"gdal": sandbox_features()["gdal"]},
            seconds={**dataset.seconds, "place": round(placing, 3)},
        )


def _own_part(manifest: Manifest, inputs: Sequence[InputLayer]) -> tuple[Manifest, tuple[InputLayer, ...]]:
    """The manifest with only the files that a dataset was made of, and its inputs referring to these: records stay small."""
    files = {file: position for position, file in enumerate(sorted({layer.file for layer in inputs}))}
    own = manifest.model_copy(update={"files": tuple(manifest.files[file] for file in files)})
    return own, tuple(layer.model_copy(update={"file": files[layer.file]}) for layer in inputs)


def _other_title(dataset: MadeDataset, reservation: Reservation, before: Asset) -> list[Problem]:
    """A warning where names that differ have made the same identifier: what was meant may be two datasets."""
    if not (before.title and dataset.title) or before.title.casefold() == dataset.title.casefold():
        return []
    return [
        Problem(
            code="other_title", where=f"dataset {dataset.dataset_id}",
            message=f"Version {reservation.version} was called {dataset.title!r}, version {before.version} {before.title!r}: "
            "both names make the same identifier.",
            remedy="If they are two datasets, ingest this one again with a 'dataset_id' of its own.",
        )
    ]  # fmt: skip


def _unknown_intent(intent: str, recipe: Recipe) -> Problem:
    return Problem(
        code="unknown_intent",
        where="intent",
        message=f"There is no recipe for the intent {intent!r}; the recipe {recipe.name!r} was applied.",
        remedy="See 'spatial-etl recipes' for what an intent can be.",
    )


def _canceled() -> Problem:
    return Problem(
        code="canceled",
        where="batch",
        message="Processing was canceled before it was finished; nothing of the batch was kept.",
        remedy="Upload the manifest again to process it.",
    )
