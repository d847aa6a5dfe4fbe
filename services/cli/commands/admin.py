"""``admin``: making the servers ready that the settings name, and trying those who are to be told."""

from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from libs.models.settings import Settings
    from services.administration import Accounts, SetupStep

app = typer.Typer(help="Prepare servers, try notifications.", no_args_is_help=True)


@app.callback()
def admin() -> None:
    """Prepare servers, try notifications."""


@app.command()
def init(
    *,
    accounts: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Also make accounts with no more rights than their role needs, and write their settings to FOLDER/<role>.env.",
            file_okay=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create what is missing on the servers.

    Buckets, policies, indexes, database, extension, roles. Run it with administrators' credentials in the settings. Safe to
    repeat: what exists stays.
    """
    from libs.models.settings import Settings
    from services.administration import Accounts
    from services.cli import output

    steps = []
    for step in _prepared(Settings(), Accounts(accounts) if accounts else None):
        steps.append(step)
        if not as_json:
            output.line(output.text(f"{step.service}  ", "dim"), output.text(step.what, "bold"), f"  {step.done}")
    if as_json:
        from dataclasses import asdict

        output.emit_json([asdict(step) for step in steps])
    elif not steps:
        output.line("The settings name no server to prepare: folders, SQLite and DuckDB need no preparation.")


@app.command()
def notify(
    *,
    test: Annotated[bool, typer.Option("--test", help="Send a test message by each channel.")] = False,
    templates: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the templates of mails to FOLDER, for you to change.", file_okay=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show who is told what became of a batch, and try it.

    Without --test, each receiver is only asked whether it answers. The settings SPATIAL_ETL_NOTIFY_* choose the channels.
    """
    from libs.models.settings import Settings
    from libs.platform.notifications import try_channels, write_templates
    from services.cli import output

    if templates is not None:
        for path in write_templates(templates):
            typer.echo(f"Wrote {path}.", err=True)
    tried = []
    for found in try_channels(Settings(), send=test):
        tried.append(found)
        if not as_json:
            output.finding(*(("✓", "green") if found.works else ("✗", "red")), found.channel, found.said, found.remedy)
    if as_json:
        from dataclasses import asdict

        output.emit_json([asdict(found) for found in tried])
    elif not tried:
        output.line("Nobody is told: none of SPATIAL_ETL_NOTIFY_WEBHOOK, _SMTP and _COMMAND is set.")
    raise typer.Exit(0 if all(found.works for found in tried) else 1)


def _prepared(settings: "Settings", accounts: "Accounts | None") -> "Iterator[SetupStep]":
    """One part after the other; a server that the settings do not name is left out."""
    from libs.platform import choose_engine
    from libs.platform.extras import needing

    on_servers = settings.minio_endpoint is not None and settings.mongo_connection_string is not None
    if on_servers:
        _require_own_lake(settings)
    if settings.minio_endpoint is not None:
        with needing("s3", "the object store", "MINIO_ENDPOINT"):
            from services.minio.init import prepare

        yield from prepare(settings, accounts)
    if settings.mongo_connection_string is not None:
        with needing("mongodb", "the ledger on MongoDB", "MONGO_CONNECTION_STRING"):
            from services.mongodb.init import prepare as prepare_mongodb

        yield from prepare_mongodb(settings, accounts)
    engine = choose_engine(settings).entry
    if engine.server is not None and engine.extra is not None:
        with needing(engine.extra, f"the engine {engine.name}", engine.server):
            prepare_engine = resolve_name(f"services.{engine.name}.init:prepare")
        yield from prepare_engine(settings, accounts)
    if on_servers:
        yield _pair(settings)
    if accounts is not None and (settings.minio_endpoint or settings.mongo_connection_string or engine.server):
        from services.administration import complete

        yield from complete(settings, accounts)


def _require_own_lake(settings: "Settings") -> None:
    """Refuse a lake that is another ledger's before accounts are made for the two. A new lake is nobody's."""
    from libs.models import LakeOfAnother, ServiceUnavailable
    from libs.platform import open_lake
    from libs.storage import IDENTITY

    try:
        if open_lake(settings).store.head(IDENTITY) is not None:
            _paired(settings, bind=False)
    except LakeOfAnother:
        raise
    except ServiceUnavailable:
        return  # what is missing is made now, and what is wrong is met again


def _pair(settings: "Settings") -> "SetupStep":
    """Lake and ledger belong together from now on, before somebody brings one of them together with another."""
    from services.administration import SetupStep

    done = "belong together" if _paired(settings, bind=False) else "belong together from now on"
    _paired(settings, bind=True)
    return SetupStep("MongoDB", f"lake {settings.minio_lake_bucket} and ledger {settings.mongo_database}", done)


def _paired(settings: "Settings", *, bind: bool) -> bool:
    from libs.pipeline.identity import require_own_lake
    from libs.platform import open_lake, open_ledger

    ledger = open_ledger(settings)
    try:
        return require_own_lake(settings, open_lake(settings), ledger, bind=bind)
    finally:
        ledger.store.close()
