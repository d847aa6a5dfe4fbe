"""What `ingest` does with files once its options are understood: as one batch, or each as a batch of its own."""

import hashlib
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from libs.models import Problem, Rejected, Report, Status
from libs.models.settings import Settings
from libs.pipeline.delivery import LocalFile, NamedInput, local_files, new_batch_id
from libs.pipeline.naming import dataset_id
from libs.pipeline.upload import DeliveryError, Upload, upload_all
from libs.platform.telling import of_state
from libs.spatial_utils.formats import Format
from services.cli import output, progress, report
from services.cli.delivery import replacing_told
from services.cli.place import located
from services.cli.typed import all_spelled, rejections_spelled

if TYPE_CHECKING:
    from libs.models import ParsedManifest
    from libs.pipeline.progress import Progress
    from libs.pipeline.stack import Stack
    from libs.storage import LandingZone

LOOK_AGAIN = 0.3
"""Seconds between two looks at a batch that another worker has taken."""
SHOWN = 20
"""Names of a list that are shown."""


@dataclass(frozen=True)
class Order:
    """What the options of the command say.

    Attributes:
        settings: Of the platform.
        chosen: The format of all files; None: proposed for each.
        manifest: Makes the manifest of files, for a batch of a name.
        inputs: Named inputs of each batch.
        options: Of formats that are tables of text.
        of_all: Keys that every file's entry gets.
        replace: Other files of the landing zone may be replaced.
        dry_run: Store nothing.
        as_json: Print for programs.
    """

    settings: Settings
    chosen: Format | None
    manifest: "Callable[[Sequence[LocalFile], str], ParsedManifest]"
    inputs: Sequence[NamedInput]
    options: Mapping[str, Any]
    of_all: Mapping[str, Any]
    replace: bool
    dry_run: bool
    as_json: bool

    def names(self, files: Sequence[Path]) -> list[str]:
        """The files of a batch as typed, in the order of its manifest."""
        return [str(file) for file in (*files, *(each.path for each in self.inputs if each.path is not None))]


def data_of(paths: Sequence[Path], settings: Settings) -> list[Path]:
    """The files as typed, and the data in the folders as typed. What is left out of these is told."""
    from libs.pipeline.gathering import gather, is_data_folder

    home = settings.spatial_etl_home
    own = {home, settings.scratch, *(place.folder for place in (settings.landing, settings.lake) if place.folder is not None)}
    found: list[Path] = []
    for path in paths:
        if not path.is_dir() or is_data_folder(path):
            found.append(path)
            continue
        gathered = gather(path, {place.resolve() for place in (*own, home / "ledger.sqlite")})
        left_out = [f"{left.relative_to(path)} ({why})" for left, why in gathered.left_out]
        told = ", ".join(left_out[:SHOWN]) + (f" and {len(left_out) - SHOWN:,} more" if len(left_out) > SHOWN else "")
        if not gathered.files:
            raise DeliveryError(f"{path} holds no data that can be read." + (f" It holds: {told}." if told else ""))
        if told:
            output.aside(f"Left out of {path}: {told}.")
        found += gathered.files
    return found


def ingest_together(order: Order, files: Sequence[Path], batch_id: str) -> bool:
    """Ingest files as one batch, print the report, and say whether it succeeded."""
    uploads = local_files(files, order.chosen, order.inputs)
    with nullcontext() if order.as_json else rejections_spelled(order.names(files)):
        manifest = order.manifest(uploads, batch_id)
    started = time.monotonic()
    made = _tried(order, manifest, uploads, batch_id) if order.dry_run else _ingested(order, manifest, uploads, batch_id)
    if order.as_json:
        output.emit_json(made)
    else:
        _show(order, made, files, uploads, time.monotonic() - started)
        if made.status is not Status.SUCCESS and len(files) > 1:
            output.line(output.text("→ --keep-going takes the files that are good", "cyan"), indent=2)
    return made.status is Status.SUCCESS


def ingest_each(order: Order, files: Sequence[Path], batch_id: str | None) -> bool:
    """Ingest each file as a batch of its own, print what became of them, and say whether all succeeded.

    Args:
        order: What to do with them.
        files: The files.
        batch_id: What the names of the batches begin with, if it was given.
    """
    made: list[Report] = []
    bad: list[tuple[Path, Report]] = []
    taken: dict[str, Path] = {}
    with _opened(order) as stack:
        try:
            for number, file in enumerate(files, 1):
                name = new_batch_id(file) if batch_id is None else f"{batch_id}-{number}"
                started = time.monotonic()
                each, uploads = _one(order, stack, file, name, taken)
                made.append(each)
                if each.status is not Status.SUCCESS:
                    bad.append((file, each))
                elif not order.as_json:
                    _show(order, each, [file], uploads, time.monotonic() - started)
        finally:  # whatever ended it, what has been done is told
            if not order.as_json:
                _sum_up(order, made, bad)
    if order.as_json:
        output.emit_json(made)
    return not bad


def _sum_up(order: Order, made: Sequence[Report], bad: Sequence[tuple[Path, Report]]) -> None:
    for file, each in bad:
        _show(order, each, [file], [], None)
    features = sum(dataset.features or 0 for each in made for dataset in each.datasets)
    good = f"{output.count(len(made) - len(bad), 'file')} ingested, {output.count(features, 'feature')}"
    failed = output.text(f"; {output.count(len(bad), 'file')} not ingested", "red") if bad else ""
    output.line(good, failed, ".")


def _one(
    order: Order, stack: "Stack | None", file: Path, batch_id: str, taken: dict[str, Path]
) -> tuple[Report, Sequence[LocalFile]]:
    """One file as a batch. What is wrong with the file alone becomes a report, so that the next one gets its turn."""
    try:
        uploads = local_files([file], order.chosen, order.inputs)
        manifest = order.manifest(uploads, batch_id)
        dataset = dataset_id(manifest.require(), manifest.require().files[0], "", only_layer=True)
        before = taken.setdefault(dataset, file)
        if before is not file:
            said = f"It would become the dataset {dataset!r}, as {str(before)!r} does."
            remedy = f'Ingest it by itself: write "dataset_id": "{dataset}_2".'
            problem = Problem(code="dataset_id_taken", where="files[0]", message=said, remedy=remedy)
            return _refusal(batch_id, [problem]), []
        if stack is None:
            return _tried(order, manifest, uploads, batch_id), uploads
        return _ingested(order, manifest, uploads, batch_id, stack), uploads
    except DeliveryError as error:
        remedy = "Name its format by 'format'." if error.format_helps else "Correct it, and ingest it again."
        return _refusal(batch_id, [Problem(code="not_delivered", where="files[0]", message=str(error), remedy=remedy)]), []
    except Rejected as rejected:
        if any(problem.where != "files[0].path" for problem in rejected.problems):  # an option is wrong, for all files
            with nullcontext() if order.as_json else rejections_spelled(order.names([file])):
                raise
        return _refusal(batch_id, rejected.problems), []


def _refusal(batch_id: str, problems: Sequence[Problem]) -> Report:
    """The report on a file that was not delivered: it is in no ledger."""
    return Report(batch_id=batch_id, run_id=None, status=Status.REJECTED, intent=None, recipe=None, problems=tuple(problems))


def _show(order: Order, made: Report, files: Sequence[Path], uploads: Sequence[LocalFile], took: float | None) -> None:
    shown = all_spelled(made, order.names(files))
    if order.dry_run:
        report.show_dry_run(shown, took=took)
    else:
        report.show(shown, located, took=took)
    for file in uploads:  # a table that was made of a CSV might have been points
        columns = file.likely_points(order.options, order.of_all) if file.name is None else None
        if columns:
            said = f"{file.path.name} is loaded as a table. For points: {shlex.join(['--x', columns[0], '--y', columns[1]])}"
            said += "" if order.dry_run else " --on-change kind=allow"
            output.line(output.text(f"→ {said}", "cyan"), indent=2)


def _tried(order: Order, manifest: "ParsedManifest", uploads: Sequence[LocalFile], batch_id: str) -> Report:
    from services.cli.dry_run import tried

    return tried(order.settings, manifest, _placed(uploads, batch_id), batch_id, quiet=order.as_json)


def _opened(order: Order) -> "AbstractContextManager[Stack | None]":
    """What to work with; nothing for a dry run, which makes its own."""
    from libs.platform import open_stack

    return nullcontext() if order.dry_run else open_stack(order.settings)


def _ingested(
    order: Order, manifest: "ParsedManifest", uploads: Sequence[LocalFile], batch_id: str, stack: "Stack | None" = None
) -> Report:
    """Upload and process a batch.

    Args:
        order: What to do with it.
        manifest: Of the batch.
        uploads: Its files.
        batch_id: Its name.
        stack: What to work with; None: opened while the files are uploaded.

    Raises:
        Rejected: when the name is another batch's.
    """
    from libs.pipeline.delivery import require_free_name
    from libs.platform import open_lake, open_landing_zone, open_ledger, open_stack

    if stack is not None:
        require_free_name(order.settings, stack.lake, stack.ledger, batch_id, manifest.content)
        stack.landing.require_free(manifest.content, batch_id)
        with progress.shown(quiet=order.as_json) as tell:
            uploading = _uploading(stack.landing, order, uploads, manifest, batch_id, tell)
            return _processed(stack, uploading, manifest, batch_id, tell)
    landing = open_landing_zone(order.settings)
    ledger = open_ledger(order.settings)
    with closing(ledger.store):
        require_free_name(order.settings, open_lake(order.settings), ledger, batch_id, manifest.content)
    landing.require_free(manifest.content, batch_id)
    with progress.shown(quiet=order.as_json) as tell:
        uploading = _uploading(landing, order, uploads, manifest, batch_id, tell)
        with open_stack(order.settings) as opened:
            opened.warm_up(engine=not manifest.only_rasters)  # while the rest is imported
            return _processed(opened, uploading, manifest, batch_id, tell)


def _uploading(
    landing: "LandingZone",
    order: Order,
    uploads: Sequence[LocalFile],
    manifest: "ParsedManifest",
    batch_id: str,
    tell: "Progress",
) -> "Future[None]":
    """Upload in a thread, while the rest is imported and opened. One that Ctrl-C does not wait for."""
    done: Future[None] = Future()

    def work() -> None:
        try:
            placed = _placed(uploads, batch_id)
            with replacing_told():
                upload_all(landing, placed, manifest.content, batch_id, replace=order.replace, progress=tell)
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=work, name="upload", daemon=True).start()
    return done


def _placed(files: Sequence[LocalFile], batch_id: str) -> list[Upload]:
    """Where files are to lie in the landing zone."""
    return [
        Upload(file.path, file.format, str(PurePosixPath(batch_id, file.key).parent), f"files[{index}].path")
        for index, file in enumerate(files)
    ]


def _processed(
    stack: "Stack", uploading: "Future[None]", manifest: "ParsedManifest", batch_id: str, tell: "Progress"
) -> "Report":
    """Submit and process the batch, or wait for the worker that was faster: a `watch` on the same landing zone."""
    from libs.pipeline.process import process

    uploading.result()
    sha256 = hashlib.sha256(manifest.content).hexdigest()
    key = stack.landing.submit(manifest.content, batch_id, after_files=True)
    while True:
        made = list(process(stack, keys=[key], parsed={key: manifest}, progress=tell))
        if made and made[0].status is not Status.LOST:  # another worker took it over then, and its answer is the delivery's
            return made[0]
        # Asked in this order: once the manifest has been taken away, what is decided of it is the answer to this delivery.
        dealt_with = stack.landing.store.head(key) is None
        state = stack.ledger.batch(batch_id, sha256)
        decided = state and of_state(state, stack.lake.uri)
        if decided and dealt_with:
            return decided
        time.sleep(LOOK_AGAIN)
