"""``status``, ``datasets``, ``show``, ``lineage``: what the ledger knows."""

from typing import TYPE_CHECKING, Any

import typer

from services.cli.options import AsJson, Batch, Version

if TYPE_CHECKING:
    from libs.ledger import BatchState, Ledger
    from libs.models import Asset, Lineage

RECENT_BATCHES = 50


def status(batch: Batch = None, *, as_json: AsJson = False) -> None:
    """Show the status of all batches, or the report on one."""
    from services.cli import output
    from services.cli.place import opened_ledger, without_server

    with opened_ledger() as ledger:
        if batch is not None:
            _show_batch(ledger, batch, as_json=as_json)
            return
        states = list(ledger.batches(limit=RECENT_BATCHES + 1))
        if as_json:
            output.emit_json([_state(state) for state in states[:RECENT_BATCHES]])
            return
        if not states:
            output.line("No batch has arrived yet. `spatial-etl ingest FILE` makes one.")
            output.note(without_server())
            return
        rows = [
            (
                state.batch_id,
                output.text(state.status, output.STYLES.get(state.status, "")),
                output.when(state.receipt.received_at),
                state.receipt.uploader or "-",
                _summary(state),
            )
            for state in states[:RECENT_BATCHES]
        ]
        output.table(("BATCH", "STATUS", "RECEIVED", "UPLOADER", "OUTCOME"), rows)
        if len(states) > RECENT_BATCHES:
            output.line(output.text(f"... and older ones; these are the last {RECENT_BATCHES}.", "dim"))


def datasets(*, as_json: AsJson = False) -> None:
    """List the datasets, each with its newest version."""
    from services.cli import output
    from services.cli.place import opened_ledger, without_server
    from services.cli.report import crs, geometry, title

    with opened_ledger() as ledger:
        assets = list(ledger.datasets())
    if as_json:
        output.emit_json([flat(asset) for asset in assets])
        return
    if not assets:
        output.line("The lake holds no dataset yet. `spatial-etl ingest FILE` makes one.")
        output.note(without_server())
        return
    has_titles, has_rejects = any(title(asset) for asset in assets), any(asset.changes.set_aside for asset in assets)
    rows = [
        (
            asset.dataset_id,
            *([title(asset)] if has_titles else []),
            asset.version,
            "" if asset.features is None else f"{asset.features:,}",
            *([f"{asset.changes.set_aside:,}"] if has_rejects else []),
            geometry(asset),
            crs(asset),
            output.size(sum(file.bytes for file in asset.files)),
            output.when(asset.created_at),
        )
        for asset in assets
    ]
    first = ("DATASET", *(["TITLE"] if has_titles else []), "VERSION", "FEATURES", *(["SET ASIDE"] if has_rejects else []))
    output.table((*first, "GEOMETRY", "CRS", "SIZE", "MADE"), rows, right=("VERSION", "FEATURES", "SET ASIDE", "SIZE"))


def show(dataset: Version, *, as_json: AsJson = False) -> None:
    """Show a dataset version: columns, extent, changes, files."""
    from libs.models import FileRole
    from services.cli import output
    from services.cli.place import located, opened_ledger
    from services.cli.report import changes, crs, geometry

    with opened_ledger() as ledger:
        asset = find_asset(ledger, dataset)
        if as_json:
            output.emit_json(flat(asset))
            return
        versions = ledger.versions(asset.dataset_id)
        output.line(output.text(asset.id, "bold"))
        facts: list[tuple[str, object]] = [
            *([("title", asset.title)] if asset.title else []),
            ("features", "" if asset.features is None else f"{asset.features:,}"),
            ("geometry", geometry(asset)),
            ("CRS", crs(asset)),
            ("extent", output.extent(asset.bbox)),
            ("made", f"{output.when(asset.created_at)} by run {asset.run_id}"),
            ("changed", "; ".join(changes(asset.changes)) or "nothing"),
            ("versions", ", ".join(map(str, versions))),
        ]
        for file in asset.files:
            facts.append((file.role if file.role != FileRole.DATA else "file", f"{located(file.uri)}  {output.size(file.bytes)}"))
            facts.append(("sha256", file.sha256))
        output.facts(facts)
        output.line()
        columns = [(field.name, field.type, asset.meanings.get(field.name, "")) for field in asset.table_schema]
        width = 3 if asset.meanings else 2
        output.table(("COLUMN", "TYPE", "MEANING")[:width], [row[:width] for row in columns])


def flat(asset: "Asset") -> dict[str, Any]:
    """A version as one JSON object: the fields of its summary stand beside its own, whatever its kind."""
    record = asset.model_dump(mode="json", exclude={"summary"})
    return record | asset.summary.model_dump(mode="json")


def lineage(dataset: Version, *, as_json: AsJson = False) -> None:
    """Show how a dataset version was made.

    Inputs with their hashes, the recipe, the software, and every change to the data.
    """
    from services.cli import output
    from services.cli.place import opened_ledger

    with opened_ledger() as ledger:
        asset = find_asset(ledger, dataset)
        record = find_lineage(ledger, asset)
    if as_json:
        output.emit_json(record)
    else:
        _show_lineage(asset, record)


def find_asset(ledger: "Ledger", name: str) -> "Asset":
    """The version that a person means by ``dataset`` or ``dataset@N``.

    Raises:
        typer.BadParameter: when there is none, with what was probably meant.
    """
    from services.cli.lookup import split_version, unknown

    dataset_id, version = split_version(name)
    asset = ledger.asset(dataset_id, version)
    if asset is not None:
        return asset
    versions = ledger.versions(dataset_id)
    if versions:
        raise typer.BadParameter(f"{dataset_id} has no version {version}; it has {', '.join(map(str, versions))}.")
    raise unknown("dataset", dataset_id, ledger.latest_versions())


def find_lineage(ledger: "Ledger", asset: "Asset") -> "Lineage":
    """How a version was made.

    Raises:
        typer.BadParameter: when the record has not been copied yet, which a crash can leave.
    """
    record = ledger.lineage(asset.dataset_id, asset.version)
    if record is None:
        raise typer.BadParameter(f"{asset.id} has no lineage record yet. `spatial-etl reconcile` finishes what a crash left.")
    return record


def _show_batch(ledger: "Ledger", batch_id: str, *, as_json: bool) -> None:
    from services.cli import output, report
    from services.cli.lookup import unknown
    from services.cli.place import located

    state = ledger.batch(batch_id)
    if state is None:
        raise unknown("batch", batch_id, ledger.batch_ids())
    if as_json:
        output.emit_json(_state(state))
        return
    known = report.of_state(state)
    if known is not None:
        report.show(known, located)
    else:
        output.line(output.text(state.batch_id, "bold"), "  ", output.text(state.status, output.STYLES.get(state.status, "")))
    facts: list[tuple[str, object]] = [
        ("received", f"{output.when(state.receipt.received_at)} from {state.receipt.uploader or 'an unknown uploader'}"),
    ]
    for run in ledger.runs(batch_id):
        outcome = state.outcome if state.run and state.run.id == run.id else ledger.outcome(run.id)
        ended = (
            f"{outcome.decision} {output.when(outcome.decided_at)}" if outcome else f"last sign {output.when(run.heartbeat_at)}"
        )
        facts.append((f"attempt {run.attempt}", f"{ended}, by {run.owner}"))
    output.facts(facts)


def _state(state: "BatchState") -> dict[str, Any]:
    from services.cli.report import of_state

    known = of_state(state)
    return {
        "batch_id": state.batch_id,
        "status": state.status,
        "received_at": state.receipt.received_at.isoformat(),
        "uploader": state.receipt.uploader,
        "run_id": state.run.id if state.run else None,
        "problems": known.problems if known else [],
        "datasets": [f"{dataset.dataset_id}@{dataset.version}" for dataset in known.datasets] if known else [],
        "set_aside": sum(dataset.changes.set_aside for dataset in known.datasets) if known else 0,
    }


def _summary(state: "BatchState") -> str:
    from services.cli import output
    from services.cli.report import of_state

    known = of_state(state)
    if known is None:
        return ""
    if known.problems:
        more = f" (and {len(known.problems) - 1} more)" if len(known.problems) > 1 else ""
        return f"{known.problems[0].where}: {known.problems[0].code}{more}"
    features = sum(dataset.features or 0 for dataset in known.datasets)
    aside = sum(dataset.changes.set_aside for dataset in known.datasets)
    told = f", {aside:,} set aside" if aside else ""
    return f"{output.count(len(known.datasets), 'dataset')}, {output.count(features, 'feature')}{told}"


def _show_lineage(asset: "Asset", record: "Lineage") -> None:
    from services.cli import output, steps
    from services.cli.report import changes, input_crs

    output.line(output.text(record.id, "bold"), f"  {output.count(asset.features or 0, 'feature')}")
    output.facts(
        [
            ("made", f"{output.when(record.created_at)} by run {record.run_id}"),
            ("uploader", record.uploader),
            ("intent", f"{record.intent}  (recipe {record.recipe.get('name', '-')})"),
            *([("policies", policies)] if (policies := steps.policies(record.manifest, record.recipe)) else []),
            ("changed", "; ".join(changes(record.changes)) or "nothing"),
            ("engine", record.engine),
            ("software", ", ".join(f"{name} {version}" for name, version in sorted(record.software.items()))),
            ("took", ", ".join(f"{phase} {output.seconds(seconds)}" for phase, seconds in record.seconds.items()) or "-"),
        ]
    )
    output.line()
    output.line(output.text("Inputs", "bold"))
    for layer in record.inputs:
        output.line(f"{layer.path}  layer {layer.layer}", indent=2)
        read = f"{layer.format}, {output.count(layer.features, 'feature')}, {input_crs(layer)}"
        if own := steps.policies(record.manifest["files"][layer.file]):
            read += f"; {own}"
        output.line(output.text(read, "dim"), indent=4)
        for item in layer.objects:
            output.line(output.text(f"{item.sha256[:16]}…  {output.size(item.bytes):>9}  {item.key}", "dim"), indent=4)
    output.line()
    output.line(output.text("Recipe", "bold"))
    arguments = record.recipe.get("arguments") or {}
    for name, value in arguments.items():
        output.line(f"${name} = {steps.value(value)}", indent=2)
    steps.show(record.recipe.get("steps", ()), indent=2)
