"""``ingest``: files on a disk to datasets in the lake, with a manifest made on the way."""

import shlex
import threading
import time
from concurrent.futures import Future
from contextlib import closing, nullcontext
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.options import AsJson, DryRun, Intent

if TYPE_CHECKING:
    from libs.models import ParsedManifest, Report
    from libs.models.settings import Settings
    from libs.pipeline.delivery import LocalFile
    from libs.pipeline.stack import Progress, Stack
    from libs.storage import LandingZone

POLICIES = "When some rows are bad"
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
    replace_crs: Annotated[
        bool, typer.Option("--replace-crs", help="--crs holds even where the file names another CRS, which is wrong.")
    ] = False,
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Read only this layer, or those that a pattern such as 'road_*' fits.")
    ] = None,
    missing_sidecars: Annotated[
        str | None,
        typer.Option(metavar="reject|allow", help="'allow': read a Shapefile without its .shx or .dbf, a .mif without its .mid."),
    ] = None,
    keep_key: Annotated[
        bool, typer.Option("--keep-key", help="GeoPackage, FileGDB: keep the key that numbers the rows (fid, OBJECTID).")
    ] = False,
    encoding: Annotated[str | None, typer.Option(metavar="NAME", help="Character encoding, for formats that do not say.")] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="Format, where the extension does not say it.")
    ] = None,
    x: Annotated[
        str | None, typer.Option("--x", metavar="COLUMN", help="CSV, spreadsheet: column with the x coordinate or longitude.")
    ] = None,
    y: Annotated[
        str | None, typer.Option("--y", metavar="COLUMN", help="CSV, spreadsheet: column with the y coordinate or latitude.")
    ] = None,
    geometry: Annotated[
        str | None,
        typer.Option(
            "--geometry",
            "--wkt",
            metavar="COLUMN",
            help="CSV, spreadsheet: column with geometries (WKT, EWKT, WKB in hex, GeoJSON). Other formats: which of several.",
        ),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(metavar="CHARACTER", help="CSV: delimiter; found out from the file when left out.")
    ] = None,
    decimal: Annotated[str | None, typer.Option(metavar="CHARACTER", help="CSV: decimal separator, . or ,")] = None,
    thousands: Annotated[str | None, typer.Option(metavar="CHARACTER", help="CSV: separator of thousands.")] = None,
    null_value: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="CSV: a text that means a missing value. Repeatable.")
    ] = None,
    quote: Annotated[str | None, typer.Option(metavar="CHARACTER", help='CSV: what quotes values; "" for nothing.')] = None,
    header: Annotated[
        str | None,
        typer.Option(metavar="ROW", help="CSV, spreadsheet: row with the column names, or none if there are no names."),
    ] = None,
    skip_rows: Annotated[int | None, typer.Option(metavar="N", help="CSV: lines to skip before the column names.")] = None,
    comment: Annotated[str | None, typer.Option(metavar="CHARACTER", help="CSV: lines that begin with it are no rows.")] = None,
    on_bad_value: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="A value that its column cannot hold: reject, set_aside or null.", rich_help_panel=POLICIES
        ),
    ] = None,
    on_bad_geometry: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="A geometry that cannot be read: reject, set_aside, null or fix.", rich_help_panel=POLICIES
        ),
    ] = None,
    on_bad_text: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="Text that cannot be decoded: reject, set_aside, null or fix.", rich_help_panel=POLICIES
        ),
    ] = None,
    max_set_aside: Annotated[
        str | None,
        typer.Option(
            metavar="N|SHARE",
            help="How many features may be set aside: 100, 0.02 or 2%.",
            show_default="1%",
            rich_help_panel=POLICIES,
        ),
    ] = None,
    batch_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Name of the batch.", show_default="file name and time")
    ] = None,
    uploader: Annotated[str | None, typer.Option(metavar="NAME", help="Who delivers.", show_default="user name")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Process FILEs as one batch: manifest, upload, report.

    Every layer becomes a dataset of its own, named <project>.<file>[.<layer>] unless --dataset-id names it.
    """
    from libs.spatial_utils import reading

    reading.warm_up()  # first: it starts while the rest is imported
    from libs.models import Status
    from libs.models.settings import Settings
    from libs.pipeline.delivery import given, local_files, make_manifest, new_batch_id
    from libs.platform import open_landing_zone, open_stack
    from libs.spatial_utils.formats import find_format
    from services.cli.delivery import number_or_share, parameters, row_number, usage_errors, user
    from services.cli.typed import all_spelled, rejections_spelled

    with usage_errors():
        uploads = local_files(files, find_format(file_format, "--format") if file_format else None)
    batch_id = new_batch_id(files[0]) if batch_id is None else batch_id
    options = given(
        x=x, y=y, delimiter=delimiter, decimal=decimal, thousands=thousands, null_values=null_value, quote=quote,
        header=row_number(header), skip_rows=skip_rows, comment=comment,
    )  # fmt: skip
    of_all = given(
        missing_sidecars=missing_sidecars,
        crs=crs,
        replace_crs=replace_crs or None,
        layer=layer,
        geometry=geometry,
        dataset_id=dataset_id,
        encoding=encoding,
        keep_key=keep_key or None,
    )
    settings = Settings()
    typed = [str(file) for file in files]
    with nullcontext() if as_json else rejections_spelled(typed):
        manifest = make_manifest(
            settings.minio_landing_bucket,
            uploads,
            batch_id=batch_id,
            uploader=user() if uploader is None else uploader,
            intent=intent,
            parameters=parameters(param or ()),
            metadata=given(project=project),
            options=options,
            of_all=of_all,
            policies=given(
                on_bad_value=on_bad_value,
                on_bad_geometry=on_bad_geometry,
                on_bad_text=on_bad_text,
                max_set_aside=number_or_share(max_set_aside),
            ),
        )
    if dry_run:
        from services.cli.dry_run import end_dry_run

        placed = [(file.path, file.format, _folder(file, batch_id)) for file in uploads]
        end_dry_run(settings, manifest, placed, batch_id, typed=typed, as_json=as_json)
    landing = open_landing_zone(settings)
    _require_new_batch(settings, batch_id)
    uploading = _uploading(landing, uploads, batch_id)
    with open_stack(settings) as stack:
        stack.warm_up()  # while the rest is imported
        from services.cli import output, progress
        from services.cli.place import located
        from services.cli.report import show

        started = time.monotonic()
        with progress.shown(quiet=as_json) as tell:
            report = _processed(stack, uploading, manifest, batch_id, tell)
    if as_json:
        output.emit_json(report)
    else:
        show(all_spelled(report, typed), located, took=time.monotonic() - started)
        _hint(uploads, options, of_all)
    raise typer.Exit(0 if report.status is Status.SUCCESS else 1)


def _uploading(landing: "LandingZone", uploads: "list[LocalFile]", batch_id: str) -> "Future[None]":
    """Upload in a thread, while the rest is imported and opened. One that Ctrl-C does not wait for."""
    from libs.pipeline.upload import upload
    from libs.spatial_utils.siblings import Folders

    done: Future[None] = Future()

    def work() -> None:
        try:
            folders = Folders()
            for file in uploads:
                upload(landing, file.path, file.format, _folder(file, batch_id), folders)
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=work, name="upload", daemon=True).start()
    return done


def _folder(file: "LocalFile", batch_id: str) -> str:
    """The folder of a file in the landing zone."""
    return str(PurePosixPath(batch_id, file.key).parent)


def _require_new_batch(settings: "Settings", batch_id: str) -> None:
    from libs.pipeline.delivery import require_new_batch
    from libs.platform import open_lake, open_ledger
    from services.cli.delivery import usage_errors

    ledger = open_ledger(settings)
    with closing(ledger.store), usage_errors("--batch-id"):
        require_new_batch(settings, open_lake(settings), ledger, batch_id)


def _hint(uploads: "list[LocalFile]", options: dict[str, Any], of_all: dict[str, Any]) -> None:
    """Say so when a table was made of a CSV that might have been points."""
    from services.cli import output

    for file in uploads:
        columns = file.likely_points(options, of_all)
        if columns:
            said = f"{file.path.name} is loaded as a table. For points: {shlex.join(['--x', columns[0], '--y', columns[1]])}"
            output.line(output.text(f"→ {said}", "cyan"), indent=2)


def _processed(
    stack: "Stack", uploading: "Future[None]", manifest: "ParsedManifest", batch_id: str, tell: "Progress"
) -> "Report":
    """Submit and process the batch, or wait for the worker that was faster: a `watch` on the same landing zone."""
    from libs.pipeline.process import process
    from services.cli.report import of_state

    uploading.result()
    key = stack.landing.submit(manifest.content, batch_id)
    while True:
        for report in process(stack, keys=[key], parsed={key: manifest}, progress=tell):
            return report
        state = stack.ledger.batch(batch_id)
        decided = state and of_state(state)
        if decided:
            return decided
        time.sleep(LOOK_AGAIN)
