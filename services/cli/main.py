"""The entry of ``spatial-etl``: its commands, and what an expected error looks like.

Exit codes: 0 done, 1 a batch was rejected or failed, 2 wrong usage, 3 a setting is wrong, or a service cannot be reached;
of ``verify`` 4 the lake is damaged, 5 the ledger, 6 both.
"""

import gc
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from libs.raw_text import inert
from services.cli import streams
from services.cli.commands import (
    admin,
    batches,
    catalog,
    current,
    describe,
    diff,
    doctor,
    export,
    housekeeping,
    ingest,
    inspect,
    metrics,
    profile,
    recipes,
    refresh,
    serve,
)
from services.cli.commands import settings as settings_command

REJECTED, USAGE, UNREACHABLE = 1, 2, 3
INTERRUPTED = 130
"""What Typer makes of Ctrl-C."""

app = typer.Typer(
    name="spatial-etl",
    help="Spatial files and a manifest in, GeoParquet with lineage out.",
    no_args_is_help=True,
    rich_markup_mode=None,  # Rich help costs a quarter of a second on every --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for command in (
    ingest.ingest,
    inspect.inspect,
    batches.submit,
    batches.process,
    batches.reprocess,
    refresh.refresh,
    batches.watch,
    catalog.status,
    catalog.datasets,
    catalog.show,
    catalog.lineage,
    diff.diff,
    profile.profile,
    export.export,
    current.make_current,
    describe.describe,
    describe.retire,
    describe.restore,
    housekeeping.verify,
    housekeeping.replay,
    recipes.recipes,
    housekeeping.reconcile,
    housekeeping.gc,
    serve.serve,
    metrics.metrics,
    doctor.doctor,
    settings_command.config,
):
    app.command()(command)
app.add_typer(admin.app, name="admin")


def _print_version(wanted: bool) -> None:
    if wanted:
        from services.cli.versions import version_text

        typer.echo(version_text())
        raise typer.Exit


@app.callback()
def options(
    home: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the embedded stores; like SPATIAL_ETL_HOME.", file_okay=False),
    ] = None,
    version: Annotated[  # noqa: ARG001 - acts by its callback
        bool,
        typer.Option(
            "--version",
            help="Show the release, the commit, and the versions of GDAL, PROJ, GEOS and DuckDB.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Spatial files and a manifest in, GeoParquet with lineage out."""
    if home is not None:
        os.environ["SPATIAL_ETL_HOME"] = str(home)


def main() -> None:
    """Run the command line; expected errors become an exit code and a text that says what to do."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's BLAS, of which we use nothing, has threads that spin at first
    gc.set_threshold(50_000)  # imports make many objects and no garbage: looking for some at every 700th takes 0.1 s
    streams.prepare()
    for argument in sys.argv[1:]:
        if not argument.isascii() and any("\ud800" <= char <= "\udfff" for char in argument):
            typer.echo(f"{argument!r} is not valid UTF-8. A file of such a name has to be renamed first.", err=True)
            sys.exit(USAGE)
    try:
        code = _run()
        sys.stdout.flush()
    except streams.OutputLost as lost:
        streams.silence()
        code = REJECTED
        if not lost.is_unwanted:
            streams.say(str(lost), logging.ERROR)
            code = UNREACHABLE
    finally:
        gc.freeze()  # the interpreter would look for garbage among all that is left as it ends (0.1 s)
    sys.exit(code)


def _run() -> str | int | None:
    """Run the command, and say what became of it by an exit code."""
    try:
        app(prog_name="spatial-etl")
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            streams.say("\nInterrupted. Nothing is half done: `spatial-etl status` says where the batches stand.")
        return ended.code
    except streams.OutputLost:
        raise
    except Exception as error:  # noqa: BLE001 - sorted there: what is not expected is raised again
        return _explained(error)
    return None


def _explained(error: Exception) -> int:
    """Say what an expected error means and give its exit code; raise an unexpected one again."""
    from pydantic import ValidationError

    from libs.models import Rejected, ServiceUnavailable
    from libs.storage import ObjectRefused
    from services.cli import output

    if isinstance(error, Rejected):
        if "--json" in sys.argv:
            output.emit_json({"status": "rejected", "problems": error.problems})
        else:
            output.problems(error.problems, style="red")
        return REJECTED
    if isinstance(error, ServiceUnavailable):
        if "--json" in sys.argv:
            said = {"code": error.code, "service": error.service, "message": str(error), "setting": error.setting}
            output.emit_json({"status": "unavailable", **said})
        streams.say(
            f"Cannot go on: {inert(str(error))}\n`spatial-etl doctor` shows what works and what is missing.", logging.ERROR
        )
        return UNREACHABLE
    if isinstance(error, ObjectRefused):
        if "--json" in sys.argv:
            output.emit_json({"status": "unavailable", "code": "not_writable", "service": error.uri, "message": str(error)})
        streams.say(f"Cannot go on: {error} Change the rights to it, or run this where it may be written to.", logging.ERROR)
        return UNREACHABLE
    if isinstance(error, ValidationError) and error.title == "Settings":
        for details in error.errors(include_url=False):
            wrong = f"wrong: {details['msg'].removeprefix('Value error, ')}"
            if details["loc"]:
                streams.say(
                    f"The setting {str(details['loc'][0]).upper()} is {wrong} (it is {details['input']!r}).", logging.ERROR
                )
            else:  # of several that do not go together; the input would be all of them, the secrets, too
                streams.say(f"The settings are {wrong}.", logging.ERROR)
        return UNREACHABLE
    raise error
