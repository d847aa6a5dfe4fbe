"""One run of a batch, from the claim to the commit: the order of effects that makes a crash harmless anywhere.

Stage and make in scratch; reserve and place in the lake; then one insert, the outcome, commits everything at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from libs.ledger import KEPT_PROBLEMS, DocumentTooLarge
from libs.logs import about
from libs.models import (
    Asset,
    Decision,
    InputLayer,
    Lineage,
    Manifest,
    Outcome,
    Owner,
    Problem,
    Rejected,
    Reservation,
    Run,
)
from libs.models.inputs import versions_of
from libs.models.policies import effective, on_change
from libs.pipeline import raw_files
from libs.pipeline.dataset_rules import DatasetRules
from libs.pipeline.datasets import DatasetMaker, MadeDataset
from libs.pipeline.describing import refuse_retired
from libs.pipeline.fault import fault
from libs.pipeline.growth import Growing
from libs.pipeline.inputs import is_unchanged, nothing_new, same_as_before
from libs.pipeline.lake_inputs import objects_of_lake
from libs.pipeline.lease import Lease, LeaseLost
from libs.pipeline.ownership import POLICIES, deliverer, of_others
from libs.pipeline.placing import Placed, lake_files, place
from libs.pipeline.progress import Event, Progress, no_progress
from libs.pipeline.scratch import run_folder, too_small
from libs.pipeline.stack import Stack
from libs.pipeline.succession import Delivered, follow, not_compared
from libs.pipeline.turns import take
from libs.pipeline.validation import ValidBatch, unknown_intent
from libs.spatial_utils.reading import sandbox_features


def ingest(stack: Stack, run: Run, batch: ValidBatch, progress: Progress) -> Outcome | None:
    """Process a claimed batch and decide its run.

    A batch that has succeeded before is made again only if its files or its recipe are others now, or if it is forced.

    Returns:
        What was decided; None when another worker had decided the run before.

    Raises:
        KeyboardInterrupt: after the run has been decided as canceled; so with all else that stops a worker from outside.
        ServiceUnavailable: after the run has been decided as a failure that is tried again.
    """
    attempt = _Attempt(stack, run, batch, progress)
    if not batch.intent_known:
        attempt.warnings.append(unknown_intent(batch.manifest.intent, stack.registry, batch.recipe))
    stop: BaseException | None = None
    with about(batch_id=run.batch_id, run_id=run.id), Lease(stack.ledger, run) as lease, ExitStack() as kept:
        try:
            scratch = kept.enter_context(run_folder(stack.scratch, run.id))
            outcome = attempt.find_nothing_new(scratch) or attempt.succeed(scratch, lease)
        except Rejected as rejection:
            outcome = attempt.outcome(Decision.REJECTED, rejection.problems)
        except LeaseLost:
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the uploader gets an answer
            kept.close()
            problem = too_small(stack.scratch, error) if attempt.making else None
            if problem is None:
                stop, problem = fault(error, "the run failed")
                if stop is not None and run.forced:
                    problem = problem.model_copy(update={"remedy": f"Run `spatial-etl reprocess {run.batch_id}` again."})
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
    """What all outcomes of a run have in common, and the way to the good one.

    Attributes:
        making: Whether it is at work in scratch, and writes nowhere else.
    """

    def __init__(self, stack: Stack, run: Run, batch: ValidBatch, progress: Progress) -> None:
        self._stack, self._run, self._files, self._progress = stack, run, batch.files, progress
        self._manifest, self._recipe, self._names = batch.manifest, batch.recipe, batch.names
        self.warnings: list[Problem] = [*batch.names.warnings]
        self.making = False

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

    def find_nothing_new(self, scratch: Path) -> Outcome | None:
        """The outcome of a delivery whose files were processed before, as they are; None when there is work to do."""
        earlier = None if self._run.forced else self._stack.ledger.last_success(self._run)
        if earlier is None:
            return None
        self._progress(Event(self._run.batch_id, "compare", earlier.run_id))
        if not is_unchanged(earlier, self._files, self._manifest, self._recipe, scratch / "compared"):
            return None
        made = {asset.dataset_id: asset.version for asset in earlier.assets}
        current = self._stack.ledger.current(made)
        self.warnings.append(nothing_new(earlier, [asset.id for name, asset in current.items() if asset.version > made[name]]))
        return self.outcome(Decision.SUCCESS).model_copy(update={"unchanged_since": earlier.run_id})

    def succeed(self, scratch: Path, lease: Lease) -> Outcome:
        """Make every dataset, then place every file: the lake sees nothing of a batch that cannot be made whole."""
        maker = DatasetMaker(self._stack, self._manifest, self._recipe, self._files, self._run.id, scratch, self._progress)
        self.making = True
        try:
            datasets = maker.make()
        finally:
            self.warnings += maker.warnings
        self.making = False
        if not datasets:
            raise Rejected.because(
                "nothing_to_do", "files", "None of the files holds a layer.", "Check that these are the right files."
            )

        refuse_retired(self._stack.past, {dataset.dataset_id for dataset in datasets})

        def before(group: Sequence[MadeDataset]) -> None:
            lease.check()
            for dataset in group:
                self._progress(Event(self._run.batch_id, "place", dataset.dataset_id, getattr(dataset.summary, "features", None)))

        if self._manifest.raw == "keep":
            layers = (layer for dataset in datasets for layer in dataset.inputs)
            raw_files.keep(self._stack.landing.store, self._stack.lake, layers, scratch)
        last = self._stack.past.current([dataset.dataset_id for dataset in datasets])
        lake = self._stack.past_lake or self._stack.lake
        growing = Growing(self._manifest, lake, scratch, self._stack.settings.spatial_etl_memory_mb)
        delivered, datasets = datasets, [growing.grow(dataset, last.get(dataset.dataset_id)) for dataset in datasets]
        follow(self._delivered(datasets, last), last, self._of_others(last))  # before anything is placed
        taken, datasets = self._turns(growing, delivered, datasets, last, lease)
        datasets, told = DatasetRules(self._stack, datasets, last, scratch).hold()
        self.warnings += told
        self.warnings += [warning for dataset in datasets for warning in dataset.told]
        placed = place(self._stack.lake, self._stack.ledger, self._run, datasets, before, taken)
        last |= self._made_meanwhile(last, placed)
        self.warnings += follow(self._delivered(datasets, last), last, self._of_others(last))
        owners = self._stack.past.owners(last)
        assets, lineage = [], []
        for dataset in datasets:
            reservation, seconds = placed[dataset.dataset_id].reservation, placed[dataset.dataset_id].seconds
            previous = last[dataset.dataset_id].version if dataset.dataset_id in last else None
            owner = owners.get(dataset.dataset_id, deliverer(self._manifest))
            if dataset.dataset_id in last:
                self.warnings += same_as_before(dataset.files, last[dataset.dataset_id])
            assets.append(self._asset(dataset, reservation, previous, owner))
            lineage.append(self._lineage(dataset, reservation, seconds))
        return self.outcome(Decision.SUCCESS, assets=assets, lineage=lineage)

    def _turns(
        self,
        growing: Growing,
        delivered: Sequence[MadeDataset],
        grown: Sequence[MadeDataset],
        last: dict[str, Asset],
        lease: Lease,
    ) -> tuple[dict[str, Reservation], list[MadeDataset]]:
        """Wait for the turn of each dataset that grows, and merge again into what others have made meanwhile.

        Args:
            growing: Merges.
            delivered: The datasets of the batch as they were delivered.
            grown: The same, merged.
            last: The versions before. What others have made is put there.
            lease: Of the run.

        Returns:
            The reservations, by dataset; and all datasets of the batch.
        """
        taken: dict[str, Reservation] = {}
        made = {dataset.dataset_id: dataset for dataset in grown}
        for dataset in sorted(delivered, key=lambda dataset: dataset.dataset_id):
            identifier = dataset.dataset_id
            if made[identifier].growth is None:
                continue
            taken[identifier], base = take(self._stack, self._run, made[identifier], lease.check)
            if self._stack.past is not self._stack.ledger:  # a dry run has no other writers
                continue
            before = last.get(identifier)
            if (before and before.id) != (base and base.id):
                last.pop(identifier, None)
                if base is not None:
                    last[identifier] = base
                made[identifier] = growing.grow(dataset, base)
        return taken, [*made.values()]

    def _made_meanwhile(self, last: Mapping[str, Asset], placed: Mapping[str, Placed]) -> dict[str, Asset]:
        """The versions before these, where others were reserved between the two: they may have been committed since the look."""
        numbers = {dataset_id: each.reservation.version for dataset_id, each in placed.items()}
        after = {dataset_id: last[dataset_id].version if dataset_id in last else 0 for dataset_id in numbers}
        between = {dataset_id: number for dataset_id, number in numbers.items() if number - 1 > after[dataset_id]}
        found, pending = self._stack.ledger.before(between) if between else ({}, [])
        self.warnings += not_compared(each for each in pending if each.run_id != self._run.id)
        return found

    def _delivered(self, datasets: Sequence[MadeDataset], last: Mapping[str, Asset]) -> list[Delivered]:
        """The datasets with what policies say of them."""
        new = {dataset.dataset_id for dataset in datasets} - last.keys() - self._names.expected
        namesakes = self._stack.past.namesakes(new)
        by, owners = deliverer(self._manifest), POLICIES[self._stack.settings.spatial_etl_owners]
        delivered = []
        for dataset in datasets:
            files = [self._manifest.files[number] for number in {layer.file for layer in dataset.inputs if layer.name is None}]
            policies = {**on_change(*(effective(file, self._manifest, self._recipe) for file in files)), "owner": owners}
            named = dataset.dataset_id in {self._manifest.metadata.get("dataset_id"), *(file.dataset_id for file in files)}
            delivered.append(Delivered(dataset, policies, by, named, namesakes.get(dataset.dataset_id)))
        return delivered

    def _of_others(self, last: Mapping[str, Asset]) -> dict[str, Owner]:
        """The owners of datasets that are not the deliverer's, if anybody wants to know."""
        if self._stack.settings.spatial_etl_owners == "off":
            return {}
        return of_others(self._stack.past, last, deliverer(self._manifest))

    def _asset(self, dataset: MadeDataset, reservation: Reservation, previous: int | None, owner: Owner) -> Asset:
        return Asset(
            dataset_id=dataset.dataset_id,
            version=reservation.version,
            title=dataset.title,
            previous=previous,
            owner=owner,
            run_id=self._run.id,
            batch_id=self._run.batch_id,
            created_at=self._stack.ledger.clock(),
            summary=dataset.summary,
            changes=dataset.changes,
            files=lake_files(dataset, reservation),
            growth=dataset.growth,
            rules=dataset.rule_results,
        )

    def _lineage(self, dataset: MadeDataset, reservation: Reservation, placing: float) -> Lineage:
        manifest, inputs = _own_part(self._manifest, dataset.dataset_id, dataset.inputs)
        return Lineage(
            dataset_id=dataset.dataset_id,
            version=reservation.version,
            run_id=self._run.id,
            batch_id=self._run.batch_id,
            uploader=self._manifest.uploader,
            created_at=self._stack.ledger.clock(),
            intent=self._manifest.intent,
            recipe=dataset.recipe.model_dump(mode="json"),
            manifest=manifest.model_dump(mode="json", exclude_defaults=True),
            inputs=inputs,
            datasets=(*versions_of(objects_of_lake(inputs)), *([dataset.grown] if dataset.grown else [])),
            growth=dataset.growth,
            changes=dataset.changes,
            engine=self._stack.engine.capabilities.name,
            software=self._run.software | {"gdal": sandbox_features()["gdal"]},
            seconds={**dataset.seconds, "place": round(placing, 3)},
        )


def _own_part(manifest: Manifest, dataset_id: str, inputs: Sequence[InputLayer]) -> tuple[Manifest, tuple[InputLayer, ...]]:
    """The manifest with only the files that a dataset was made of, and its inputs referring to these: records stay small."""
    files = {file: position for position, file in enumerate(sorted({layer.file for layer in inputs}))}
    named = tuple(each for each in manifest.inputs if each.name is not None or each.dataset_id == dataset_id)
    own = manifest.model_copy(update={"files": tuple(manifest.files[file] for file in files), "inputs": named})
    return own, tuple(layer.model_copy(update={"file": files[layer.file]}) for layer in inputs)


def _canceled() -> Problem:
    return Problem(
        code="canceled",
        where="batch",
        message="Processing was canceled before it was finished; nothing of the batch was kept.",
        remedy="Upload the manifest again to process it.",
    )
