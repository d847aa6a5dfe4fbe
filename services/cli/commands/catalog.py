"""``status``, ``datasets``, ``show``, ``lineage``: what the ledger knows."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.options import AsJson, Batch, Version

if TYPE_CHECKING:
    from libs.ledger import BatchState, Ledger, Standing
    from libs.models import Asset, Lineage

RECENT_BATCHES = 50


def status(
    batch: Batch = None,
    *,
    manifest: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Show what became of this manifest; several may have the same batch_id.", exists=True,
                     dir_okay=False),
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show the status of all batches, or the report on one."""
    from services.cli import output
    from services.cli.place import opened_ledger, without_server

    with opened_ledger() as ledger:
        if manifest is not None:
            _show_manifest(ledger, manifest, batch, as_json=as_json)
            return
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


def datasets(
    *,
    every: Annotated[bool, typer.Option("--all", help="List those that are retired, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the datasets, each with its current version: the newest, unless somebody went back.

    One that was made from another dataset is stale when that has another current version now.
    """
    from libs.ledger import outdated
    from services.cli import output
    from services.cli.place import opened_ledger, without_server
    from services.cli.report import crs, geometry, title

    with opened_ledger() as ledger:
        assets = list(ledger.datasets(retired=every))
        newest = ledger.newest_versions()
        abouts = {dataset_id: each.about for dataset_id, each in ledger.descriptions().items()}
        stale = outdated(ledger, ledger.lineages([asset.id for asset in assets]).values())
    if as_json:
        output.emit_json(
            [
                flat(asset)
                | {"newest": newest[asset.dataset_id], "stale": asset.id in stale, "about": abouts.get(asset.dataset_id)}
                for asset in assets
            ]
        )
        return
    hidden = len(newest) - len(assets)
    if not assets and not hidden:
        output.line("The lake holds no dataset yet. `spatial-etl ingest FILE` makes one.")
        output.note(without_server())
        return
    titles = {
        asset.id: about.title if (about := abouts.get(asset.dataset_id)) and about.title else title(asset) for asset in assets
    }
    has_titles, has_rejects = any(titles.values()), any(asset.changes.set_aside for asset in assets)
    rows = [
        (
            asset.dataset_id,
            *([titles[asset.id]] if has_titles else []),
            f"{asset.version}" if (last := newest[asset.dataset_id]) == asset.version else f"{asset.version} of {last}",
            *(["stale" if asset.id in stale else ""] if stale else []),
            "" if asset.features is None else f"{asset.features:,}",
            *([f"{asset.changes.set_aside:,}"] if has_rejects else []),
            geometry(asset),
            crs(asset),
            output.size(sum(file.bytes for file in asset.files)),
            output.when(asset.created_at),
        )
        for asset in assets
    ]
    first = (
        "DATASET",
        *(["TITLE"] if has_titles else []),
        "VERSION",
        *(["INPUTS"] if stale else []),
        "FEATURES",
        *(["SET ASIDE"] if has_rejects else []),
    )
    if rows:
        output.table((*first, "GEOMETRY", "CRS", "SIZE", "MADE"), rows, right=("VERSION", "FEATURES", "SET ASIDE", "SIZE"))
    if hidden:
        output.line(output.text(f"{output.count(hidden, 'dataset')} retired, not listed: --all lists everything.", "dim"))


def show(dataset: Version, *, as_json: AsJson = False) -> None:
    """Show a dataset version: columns, extent, changes, files."""
    from libs.ledger import outdated
    from libs.models import FileRole, RasterSummary
    from libs.platform.telling import changes
    from services.cli import output, raster
    from services.cli.commands.describe import facts_of
    from services.cli.place import lake_uri, located, opened_ledger
    from services.cli.report import crs, geometry, growth, rules

    with opened_ledger() as ledger:
        asset = find_asset(ledger, dataset)
        standing = ledger.standing(asset.dataset_id)
        newer = outdated(ledger, ledger.lineages([asset.id]).values()).get(asset.id, [])
        said = ledger.descriptions(asset.dataset_id).get(asset.dataset_id)
        if as_json:
            about = said.about if said else None
            output.emit_json(flat(asset) | standing_of(asset, standing) | {"stale": bool(newer), "about": about})
            return
        output.line(output.text(asset.id, "bold"))
        facts: list[tuple[str, object]] = [
            *([("title", asset.title)] if asset.title and not (said and said.about.title) else []),
            *facts_of(said),
            *([] if asset.features is None else [("features", f"{asset.features:,}")]),
            ("raster" if asset.kind == "raster" else "geometry", geometry(asset)),
            ("CRS", crs(asset)),
            ("extent", output.extent(asset.bbox)),
            *(raster.facts_of(asset.summary) if isinstance(asset.summary, RasterSummary) else []),
            ("made", f"{output.when(asset.created_at)} by run {asset.run_id}"),
            *([("growth", growth(asset.growth, asset.dataset_id))] if asset.growth else []),
            ("changed", "; ".join(changes(asset.changes)) or "nothing"),
            *(("rules" if not number else "", said) for number, said in enumerate(rules(asset.rules))),
            *([("owner", asset.owner)] if asset.owner else []),
            ("versions", ", ".join(map(str, standing.versions))),
            ("current", _current(asset, standing)),
            *([("stale", f"since {', '.join(newer)}: `spatial-etl refresh {asset.dataset_id}`")] if newer else []),
        ]
        for file in asset.files:
            facts.append(
                (file.role if file.role != FileRole.DATA else "file", f"{located(lake_uri(file.key))}  {output.size(file.bytes)}")
            )
            facts.append(("sha256", file.sha256))
        output.facts(facts)
        output.line()
        if isinstance(asset.summary, RasterSummary):
            output.table(*raster.raster_bands(asset.summary))
            return
        columns = [(field.name, field.type, asset.meanings.get(field.name, "")) for field in asset.table_schema]
        width = 3 if asset.meanings else 2
        output.table(("COLUMN", "TYPE", "MEANING")[:width], [row[:width] for row in columns])


def flat(asset: "Asset") -> dict[str, Any]:
    """A version as one JSON object: the fields of its summary stand beside its own, whatever its kind."""
    from libs.models import ReportFile
    from services.cli.place import lake_uri

    record = asset.model_dump(mode="json", exclude={"summary"})
    record["files"] = [ReportFile.of(file, lake_uri).model_dump(mode="json") for file in asset.files]
    return record | asset.summary.model_dump(mode="json")


def standing_of(asset: "Asset", standing: "Standing") -> dict[str, Any]:
    """Whether a version is the current one, for programs; and who made it so, unless it is by being the newest."""
    return {"is_current": asset.version == standing.current, "decision": standing.decision}


def _current(asset: "Asset", standing: "Standing") -> str:
    from services.cli import output

    made = standing.decision
    so = f", by {made.decided_by} {output.when(made.decided_at)}" if made else ""
    if asset.version == standing.current:
        return f"yes{so}" if made else "yes, the newest"
    return f"no: version {standing.current} is{so}"


def lineage(
    dataset: Version,
    *,
    down: Annotated[
        bool, typer.Option("--down", help="Show what came of it instead: the versions that were made from it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how a dataset version was made.

    Inputs with their hashes, the recipe, the software, and every change to the data.
    """
    from services.cli import output
    from services.cli.place import opened_ledger

    with opened_ledger() as ledger:
        asset = find_asset(ledger, dataset)
        if down:
            _show_uses(ledger, asset, as_json=as_json)
            return
        record = find_lineage(ledger, asset)
        standing = ledger.standing(asset.dataset_id)
    if as_json:
        output.emit_json(record.model_dump(mode="json") | standing_of(asset, standing))
    else:
        _show_lineage(asset, record, standing)


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
    raise unknown("dataset", dataset_id, ledger.newest_versions())


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
    from libs.ledger.notices import Notices
    from libs.platform.telling import of_state
    from services.cli import output, report
    from services.cli.lookup import unknown
    from services.cli.place import lake_uri, located

    state = ledger.batch(batch_id)
    if state is None:
        raise unknown("batch", batch_id, ledger.batch_ids())
    manifests = [ledger.batch(batch_id, sha256) for sha256 in dict.fromkeys(each.sha256 for each in ledger.receipts(batch_id))]
    others = [each for each in manifests if each and each.receipt.sha256 != state.receipt.sha256]
    if as_json:
        output.emit_json(_state(state) | {"other_manifests": [_state(each) for each in others]})
        return
    known = of_state(state, lake_uri)
    if known is not None:
        report.show(known, located)
    else:
        output.line(output.text(state.batch_id, "bold"), "  ", output.text(state.status, output.STYLES.get(state.status, "")))
    facts: list[tuple[str, object]] = [
        ("received", f"{output.when(state.receipt.received_at)} from {state.receipt.uploader or 'an unknown uploader'}"),
    ]
    for run in ledger.runs(batch_id):
        outcome = state.outcome if state.run and state.run.id == run.id else ledger.outcome(run.id)
        decided = "nothing new" if outcome and outcome.unchanged_since else outcome and outcome.decision
        ended = f"{decided} {output.when(outcome.decided_at)}" if outcome else f"last sign {output.when(run.heartbeat_at)}"
        facts.append((f"attempt {run.attempt}", f"{ended}, by {run.owner}"))
    for each in others:
        sender = each.receipt.uploader or "an unknown uploader"
        said = f"{each.status}, received {output.when(each.receipt.received_at)} from {sender}  {_summary(each)}"
        facts.append((f"manifest {each.receipt.sha256[:16]}", said.rstrip()))
    notices = Notices(ledger)
    facts += [
        (end.channel, f"{end.event}: {end.result} {output.when(end.ended_at)}{f'. {end.remark}' if end.remark else ''}")
        for end in notices.ends(batch_id)
    ]
    facts += [(notice.channel, f"{notice.event}: still to be sent") for notice in notices.of_batch(batch_id)]
    output.facts(facts)


def _show_manifest(ledger: "Ledger", manifest: Path, batch_id: str | None, *, as_json: bool) -> None:
    """The answer to one manifest, found by its hash."""
    import hashlib

    from libs.models import parse_manifest
    from libs.models.settings import Settings
    from libs.pipeline.delivery import batch_id_of
    from libs.platform.telling import of_state
    from services.cli import output, report
    from services.cli.place import lake_uri, located

    content = manifest.read_bytes()
    parsed = parse_manifest(content, landing_bucket=Settings().minio_landing_bucket)
    batch_id = batch_id or batch_id_of(parsed) or manifest.stem
    state = ledger.batch(batch_id, hashlib.sha256(content).hexdigest())
    if state is None:
        raise typer.BadParameter(
            f"No manifest with this content has been seen for the batch {batch_id!r}. If it was uploaded, it still waits to be "
            "processed, or another one took its place.",
            param_hint="--manifest",
        )
    known = of_state(state, lake_uri)
    if as_json:
        output.emit_json(_state(state))
    elif known is not None:
        report.show(known, located)
    else:
        output.line(output.text(state.batch_id, "bold"), "  ", output.text(state.status, output.STYLES.get(state.status, "")))


def _state(state: "BatchState") -> dict[str, Any]:
    from libs.models import Report
    from libs.platform.telling import of_state
    from services.cli.place import lake_uri

    known = of_state(state, lake_uri)
    made = Report.of_outcome(state.made, lake_uri).datasets if state.made else ()
    return {
        "batch_id": state.batch_id,
        "status": state.status,
        "manifest_sha256": state.receipt.sha256,
        "received_at": state.receipt.received_at.isoformat(),
        "uploader": state.receipt.uploader,
        "run_id": state.run.id if state.run else None,
        "worker": state.run.owner if state.run else None,
        "problems": known.problems if known else [],
        "datasets": [f"{dataset.dataset_id}@{dataset.version}" for dataset in made],
        "set_aside": sum(dataset.changes.set_aside for dataset in made),
        "unchanged_since": known.unchanged_since if known else None,
    }


def _summary(state: "BatchState") -> str:
    from libs.models import Report, Status
    from libs.platform.telling import of_state
    from services.cli import output
    from services.cli.place import lake_uri

    known = of_state(state, lake_uri)
    if known is None:
        return f"by {state.run.owner}" if state.run and state.status in {Status.RUNNING, Status.LOST} else ""
    if known.problems:
        more = f" (and {len(known.problems) - 1} more)" if len(known.problems) > 1 else ""
        return f"{known.problems[0].where}: {known.problems[0].code}{more}"
    made = Report.of_outcome(state.made, lake_uri).datasets if state.made else ()
    features = sum(dataset.features or 0 for dataset in made)
    aside = sum(dataset.changes.set_aside for dataset in made)
    told = f", {aside:,} set aside" if aside else ""
    again = ", unchanged in the last delivery" if known.unchanged_since else ""
    return f"{output.count(len(made), 'dataset')}, {output.count(features, 'feature')}{told}{again}"


def _show_uses(ledger: "Ledger", asset: "Asset", *, as_json: bool) -> None:
    """What came of a version, and of that, and so on."""
    from services.cli import output
    from services.cli.lookup import split_version

    uses: dict[str, list[str]] = {}
    waiting = [asset.id]
    while waiting:
        name, number = split_version(each := waiting.pop(0))
        uses[each] = ledger.uses_of(name, number or 0)
        waiting += [made for made in uses[each] if made not in uses and made not in waiting]
    if as_json:
        output.emit_json(uses)
        return
    output.line(output.text(asset.id, "bold"), "" if uses[asset.id] else "  Nothing was made from it.")
    for read, made in uses.items():
        for each in made:
            output.line(each, output.text(f"  from {read}", "dim"), indent=2)


def _show_lineage(asset: "Asset", record: "Lineage", standing: "Standing") -> None:
    from libs.platform.telling import changes
    from services.cli import output, steps
    from services.cli.report import growth, input_crs

    output.line(
        output.text(record.id, "bold"), f"  {asset.kind if asset.features is None else output.count(asset.features, 'feature')}"
    )
    output.facts(
        [
            ("made", f"{output.when(record.created_at)} by run {record.run_id}"),
            ("uploader", record.uploader),
            ("current", _current(asset, standing)),
            ("intent", f"{record.intent}  (recipe {record.recipe.get('name', '-')})"),
            *([("policies", policies)] if (policies := steps.policies(record.manifest, record.recipe)) else []),
            *([("growth", growth(record.growth, record.dataset_id))] if record.growth else []),
            ("changed", "; ".join(changes(record.changes)) or "nothing"),
            ("engine", record.engine),
            ("software", ", ".join(f"{name} {version}" for name, version in sorted(record.software.items()))),
            ("took", ", ".join(f"{phase} {output.seconds(seconds)}" for phase, seconds in record.seconds.items()) or "-"),
        ]
    )
    output.line()
    output.line(output.text("Inputs", "bold"))
    for layer in record.inputs:
        output.line(f"{f'{layer.name}: ' if layer.name else ''}{layer.path}  layer {layer.layer}", indent=2)
        features = [] if layer.features is None else [output.count(layer.features, "feature")]
        read = ", ".join([layer.format, *features, input_crs(layer)])
        if own := steps.policies(record.manifest["files"][layer.file]):
            read += f"; {own}"
        output.line(output.text(read, "dim"), indent=4)
        for item in layer.objects:
            output.line(output.text(f"{item.sha256[:16]}…  {output.size(item.bytes):>9}  {item.key}", "dim"), indent=4)
    for version in record.datasets:
        output.line(version.id, indent=2)
        for sha256 in version.sha256:
            output.line(output.text(f"{sha256[:16]}…", "dim"), indent=4)
    output.line()
    output.line(output.text("Recipe", "bold"))
    arguments = record.recipe.get("arguments") or {}
    for name, value in arguments.items():
        output.line(f"${name} = {steps.value(value)}", indent=2)
    steps.show(record.recipe.get("steps", ()), indent=2)
