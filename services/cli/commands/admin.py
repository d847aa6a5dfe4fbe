"""``admin``: making servers ready, granting a dataset, trying notifications, proving and rebuilding the ledger, a moved lake."""

from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.commands import backup
from services.cli.options import AsJson, Dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from libs.models.settings import Settings
    from services.administration import Accounts, SetupStep

app = typer.Typer(
    help="Prepare servers, try notifications, decide who may deliver a dataset; prove, back up, upgrade or rebuild the ledger.",
    no_args_is_help=True,
)


app.command()(backup.backup)
app.command()(backup.restore)


@app.callback()
def admin() -> None:
    """Prepare servers, try notifications, decide who may deliver a dataset; prove, back up, upgrade or rebuild the ledger."""


@app.command()
def grant(
    dataset: Dataset,
    *,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="A project or an uploader.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it back.")] = False,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who decides it.", show_default="user name")] = None,
    as_json: AsJson = False,
) -> None:
    """Let another project or uploader deliver versions of a dataset. It keeps its owner: who delivered it first."""
    from libs.models.settings import Settings
    from libs.pipeline.identity import require_own_lake
    from libs.platform import open_lake
    from services.cli import output
    from services.cli.commands.catalog import find_asset
    from services.cli.delivery import user
    from services.cli.place import opened_ledger

    with opened_ledger() as ledger:
        asset = find_asset(ledger, dataset)
        settings = Settings()
        require_own_lake(settings, open_lake(settings), ledger, bind=False)
        decision = ledger.grant(asset.dataset_id, to, by or user(), allowed=not revoke)
    if as_json:
        output.emit_json({"dataset_id": asset.dataset_id, "to": to, "allowed": not revoke, "decision": decision})
    else:
        known = " already" if decision is None else ""
        output.line(output.text(to, "bold"), f" may{' not' if revoke else ''} deliver {asset.dataset_id}{known}.")


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
def chain_head(
    *,
    output_file: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write it to FILE.", dir_okay=False, writable=True)
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(
            metavar="KEY",
            help="Also sign it with this private key of SSH: FILE.sig. Needs --output.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Say where the chain of decisions ends now.

    Keep it where nobody can write who can write to the ledger. `verify --head FILE` holds the ledger against it.
    """
    from libs.pipeline.signature import sign as signature_of
    from libs.pipeline.verify import chain_head as head_of
    from libs.platform import open_stack

    if sign is not None and output_file is None:
        raise typer.BadParameter("say where to write what is signed: --output FILE", param_hint="--sign")
    with open_stack() as stack:
        content = head_of(stack).model_dump_json(indent=2) + "\n"
    if output_file is None:
        typer.echo(content, nl=False)
        return
    signature = signature_of(content.encode(), sign) if sign is not None else None
    output_file.write_text(content)
    if signature is not None:
        output_file.with_name(f"{output_file.name}.sig").write_bytes(signature)


@app.command("rebuild-ledger")
def rebuild_ledger(
    *,
    no_hash: Annotated[
        bool, typer.Option("--no-hash", help="Compare sizes only. `spatial-etl verify` can hash the files later.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a lost ledger again out of its lake.

    The settings name the lake and a new, empty ledger. Stop all workers first. Says what a lake cannot tell.
    """
    from libs.models.settings import Settings
    from libs.pipeline.rebuild import rebuild
    from libs.platform import open_lake, open_ledger
    from services.cli import output

    settings = Settings()
    ledger = open_ledger(settings)
    try:
        done = rebuild(open_lake(settings), ledger, hashes=not no_hash)
    finally:
        ledger.store.close()
    if as_json:
        output.emit_json(done)
    else:
        versions, batches = output.count(done.versions, "version"), output.count(done.batches, "batch")
        files, size = output.count(done.files, "file"), output.size(done.hashed)
        output.line(f"{versions} of {batches}; {files} looked at, {size} hashed.")
        for damage in done.damaged:
            output.line(output.text("✗ ", "bold red"), damage.uri)
            output.line(damage.message, indent=2)
        for what, names in (
            ("Left alone: it has no record, so it is a leftover, or a version of an earlier release", done.without_record),
            ("Versions are gone", done.incomplete),
            ("A lake cannot tell", done.unknown),
        ):
            if names:
                output.line(f"{what}:")
                for name in names:
                    output.line(output.text(name, "dim"), indent=2)
        before = f"; the lake had {done.ledger_before}, which is refused from now on" if done.ledger_before else ""
        output.line(f"The ledger is {done.ledger_id}{before}.")
    raise typer.Exit(1 if done.damaged or done.without_record or done.incomplete else 0)


@app.command()
def upgrade(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the ledger of an earlier release to this one. Back it up first.

    Adds what that release did not write yet; no record is changed. Run it again if it was killed. Refused when a later release
    has upgraded the ledger.
    """
    from libs.pipeline.upgrade import plan
    from libs.pipeline.upgrade import upgrade as bring
    from libs.platform import open_lake
    from services.cli import output
    from services.cli.place import existing, opened_ledger

    settings = existing()
    with opened_ledger() as ledger:
        done = (plan if dry_run else bring)(settings, open_lake(settings), ledger)
    if as_json:
        output.emit_json(done)
        return
    formats = ", ".join(f"{output.count(number, 'record')} of format {name}" for name, number in done.records.items())
    output.line(
        f"Release {done.release} writes format {done.format}. The ledger has {formats or 'no record'}: they stay as they are."
    )
    will = "to be " if dry_run else ""
    steps = (
        ("run", done.working, "left to its worker, which is at it"),
        ("run", done.published, f"{will}finished: it was committed, and its worker died"),
        ("decision", done.linked, f"{will}added to the chain"),
        ("version", done.described, f"{will}given a record in the lake"),
    )
    for noun, names, what in steps:
        if names:
            output.line(output.text(output.count(len(names), noun), "bold"), f" {what}")
    if done.noted:
        output.line(
            f"Earlier releases {'will refuse' if dry_run else 'refuse from now on'} to write to it, if they would spoil it."
        )
    elif not any(names for _, names, _ in steps[1:]):
        output.line("Nothing to upgrade.")


@app.command()
def relocate(*, as_json: AsJson = False) -> None:
    """Note where lake and ledger are now, after they were moved or renamed.

    The settings name the new places. Versions need no change: their records name files by their keys in the lake.
    """
    from libs.models.settings import Settings
    from libs.pipeline.identity import relocate as note_places
    from libs.platform import open_lake, open_ledger
    from services.cli import output

    settings = Settings()
    ledger = open_ledger(settings)
    try:
        done = note_places(settings, open_lake(settings), ledger)
    finally:
        ledger.store.close()
    if as_json:
        output.emit_json(done)
        return
    for what, change in (("lake", done.lake), ("ledger", done.ledger)):
        if change:
            output.line(output.text(f"The {what} was", "bold"), f" {change[0]}")
            output.line(output.text("and is now", "bold"), f" {change[1]}")
    if not (done.lake or done.ledger):
        output.line("Nothing to note: lake and ledger are where they are known to be.")


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

    on_servers = settings.lake.folder is None and settings.mongo_connection_string is not None
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
    return SetupStep("MongoDB", f"lake {settings.lake.bucket} and ledger {settings.mongo_database}", done)


def _paired(settings: "Settings", *, bind: bool) -> bool:
    from libs.pipeline.identity import require_own_lake
    from libs.platform import open_lake, open_ledger

    ledger = open_ledger(settings)
    try:
        return require_own_lake(settings, open_lake(settings), ledger, bind=bind)
    finally:
        ledger.store.close()
