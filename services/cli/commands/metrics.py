"""``metrics``: the counts of the ledger, once, for Prometheus."""

from pathlib import Path
from typing import Annotated

import typer


def metrics(
    *,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write FILE at once, as the textfile collector of node_exporter wants it.", dir_okay=False
        ),
    ] = None,
) -> None:
    """Print metrics for Prometheus: batches by status, waiting work, problems by code, time, bytes, free room.

    They are counted from the ledger each time. For a large one, let `watch --metrics` count once and tell them over HTTP.
    """
    from libs.ledger.tally import Tally
    from libs.pipeline.metrics import collect, exposition
    from libs.platform import open_landing_zone
    from services.cli.place import existing, opened_ledger

    settings = existing()
    with opened_ledger() as ledger:
        text = exposition(collect(Tally(ledger), open_landing_zone(settings), settings))
    if to is None:
        typer.echo(text, nl=False)
    else:
        _replace(to, text)


def _replace(path: Path, text: str) -> None:
    """Write a file so that its reader sees the old one or the new one."""
    from libs.models import ServiceUnavailable

    new = path.with_name(f".{path.name}.new")  # the collector reads *.prom
    try:
        new.write_text(text, encoding="utf-8")
        new.chmod(0o644)  # its reader is another user
        new.replace(path)
    except OSError as error:
        raise ServiceUnavailable(f"the file {path}", f"{error.strerror}.", "--to") from error
