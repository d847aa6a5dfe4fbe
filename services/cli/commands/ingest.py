"""``ingest``: files on a disk to datasets in the lake, with a manifest made on the way."""

import json
import threading
import time
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson, Intent

if TYPE_CHECKING:
    from libs.models import Report
    from libs.models.settings import Settings
    from libs.pipeline.stack import Progress, Stack
    from libs.storage import LandingZone
    from services.cli.intake import Upload

LOOK_AGAIN = 0.3
"""Seconds between two looks at a batch that another worker has taken."""


def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", exists=True, help="Files; sidecars are found beside them. A FileGDB is its folder."),
    ],
    *,
    intent: Intent = "ingest_vector",
    param: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of the recipe. Repeatable.")] = None,
    project: Annotated[str | None, typer.Option(metavar="NAME", help="Begins the names of the datasets.")] = None,
    dataset_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Name the dataset; several FILEs are appended into it.")
    ] = None,
    crs: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="CRS of files that do not carry one: EPSG:25832, or WKT; none for local coordinates."),
    ] = None,
    layer: Annotated[str | None, typer.Option(metavar="NAME", help="Read only this layer.")] = None,
    keep_key: Annotated[
        bool, typer.Option("--keep-key", help="GeoPackage, FileGDB: keep the key that numbers the rows (fid, OBJECTID).")
    ] = False,
    encoding: Annotated[str | None, typer.Option(metavar="NAME", help="Character encoding, for formats that do not say.")] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="Format, where the extension does not say it.")
    ] = None,
    x: Annotated[
        str | None, typer.Option("--x", metavar="COLUMN", help="CSV: column with the x coordinate or longitude.")
    ] = None,
    y: Annotated[str | None, typer.Option("--y", metavar="COLUMN", help="CSV: column with the y coordinate or latitude.")] = None,
    wkt: Annotated[str | None, typer.Option(metavar="COLUMN", help="CSV: column with Well-Known Text.")] = None,
    delimiter: Annotated[
        str | None, typer.Option(metavar="CHARACTER", help="CSV: delimiter; found out from the file when left out.")
    ] = None,
    batch_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Name of the batch.", show_default="file name and time")
    ] = None,
    uploader: Annotated[str | None, typer.Option(metavar="NAME", help="Who delivers.", show_default="user name")] = None,
    as_json: AsJson = False,
) -> None:
    """Process FILEs as one batch: manifest, upload, report.

    Every layer becomes a dataset of its own, named <project>.<file>[.<layer>] unless --dataset-id names it.
    """
    from libs.spatial_utils import reading

    reading.warm_up()  # first: it starts while the rest is imported
    from libs.models import Status, parse_manifest
    from libs.models.settings import Settings
    from libs.platform import open_landing_zone, open_stack
    from services.cli import intake

    uploads = intake.uploads(files, file_format)
    batch_id = intake.new_batch_id(files[0]) if batch_id is None else batch_id
    options = intake.given(x=x, y=y, wkt=wkt, delimiter=delimiter)
    idle = {} if any(file.format.name == "CSV" for file in uploads) else options  # the report will say that they were not used
    same = intake.given(crs=crs, layer=layer, dataset_id=dataset_id, encoding=encoding, keep_key=keep_key or None, options=idle)
    settings = Settings()
    landing = open_landing_zone(settings)
    manifest = {
        "batch_id": batch_id,
        "uploader": intake.user() if uploader is None else uploader,
        "intent": intent,
        "files": [{"path": landing.store.uri(f"{batch_id}/{file.key}"), **file.entry(options), **same} for file in uploads],
        "metadata": intake.given(project=project),
        "parameters": intake.parameters(param or ()),
    }
    content = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
    parse_manifest(content, landing_bucket=landing.bucket)  # a wrong option is said before a gigabyte is copied
    _require_free(settings, batch_id)
    uploading = _uploading(landing, uploads, batch_id)
    with open_stack(settings) as stack:
        stack.warm_up()  # while the rest is imported
        from services.cli import output, progress
        from services.cli.place import located
        from services.cli.report import show

        started = time.monotonic()
        with progress.shown(quiet=as_json) as tell:
            report = _processed(stack, uploading, content, batch_id, tell)
    if as_json:
        output.emit_json(report)
    else:
        show(report, located, took=time.monotonic() - started)
        _hint(uploads, options)
    raise typer.Exit(0 if report.status is Status.SUCCESS else 1)


def _uploading(landing: "LandingZone", uploads: "list[Upload]", batch_id: str) -> "Future[None]":
    """Upload in a thread, while the rest is imported and opened. One that Ctrl-C does not wait for."""
    from libs.pipeline.upload import upload

    done: Future[None] = Future()

    def work() -> None:
        try:
            for file in uploads:
                upload(landing, file.path, file.format, str(PurePosixPath(batch_id, file.key).parent))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=work, name="upload", daemon=True).start()
    return done


def _require_free(settings: "Settings", batch_id: str) -> None:
    """Refuse the name of a batch that is done or at work: uploading would replace the files that it was, or is, made from.

    Raises:
        typer.BadParameter: naming the batch.
        LakeOfAnother: when this ledger cannot know, because the lake is another's.
    """
    from libs.models import LakeOfAnother, ServiceUnavailable, Status
    from libs.pipeline.identity import require_own_lake
    from libs.platform import open_lake, open_ledger

    ledger = open_ledger(settings)
    with closing(ledger.store):
        try:
            require_own_lake(settings, open_lake(settings), ledger, bind=False)
        except LakeOfAnother:
            raise
        except ServiceUnavailable:
            pass  # the batch waits in the landing zone until that is put right
        state = ledger.batch(batch_id)
    if state is not None and state.status in {Status.SUCCESS, Status.RUNNING}:
        raise typer.BadParameter(f"The batch {batch_id!r} exists, with the status {state.status}.", param_hint="--batch-id")


def _hint(uploads: "list[Upload]", options: "dict[str, str]") -> None:
    """Say so when a table was made of a CSV that might have been points."""
    from services.cli import intake, output

    for file in uploads:
        is_table = file.format.name == "CSV" and file.entry(options)["type"] == "tabular"
        columns = intake.coordinate_columns(file.path) if is_table else None
        if columns:
            said = f"{file.path.name} is loaded as a table. For points: --x {columns[0]} --y {columns[1]} --crs …"
            output.line(output.text(f"→ {said}", "cyan"), indent=2)


def _processed(stack: "Stack", uploading: "Future[None]", content: bytes, batch_id: str, tell: "Progress") -> "Report":
    """Submit and process the batch, or wait for the worker that was faster: a `watch` on the same landing zone."""
    from libs.pipeline.process import process
    from services.cli.report import of_state

    uploading.result()
    key = stack.landing.submit(content, batch_id)
    while True:
        for report in process(stack, keys=[key], progress=tell):
            return report
        state = stack.ledger.batch(batch_id)
        decided = state and of_state(state)
        if decided:
            return decided
        time.sleep(LOOK_AGAIN)
