"""``inspect``: what is in a file, before anything is delivered."""

import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson

if TYPE_CHECKING:
    from libs.models.inspection import Inspection, LayerProfile


def inspect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", exists=True, help="Files; sidecars are found beside them.")],
    *,
    crs: Annotated[str | None, typer.Option(metavar="CODE", help="CRS of files that do not have one.")] = None,
    replace_crs: Annotated[
        bool, typer.Option("--replace-crs", help="--crs holds even where the file names another CRS, which is wrong.")
    ] = False,
    layer: Annotated[str | None, typer.Option(metavar="NAME", help="Look only at this layer.")] = None,
    encoding: Annotated[str | None, typer.Option(metavar="NAME", help="Character encoding, for formats that do not say.")] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="Format, where the extension does not say it.")
    ] = None,
    manifest: Annotated[bool, typer.Option("--manifest", help="Print only the manifest that ingests the first FILE.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is in FILEs: layers, columns, extent, and all that ingesting them would report. Nothing is stored."""
    from libs.spatial_utils import reading

    reading.warm_up()
    from libs.models.settings import Settings
    from libs.pipeline.delivery import given, local_files
    from libs.platform.inspection import inspect as inspect_file
    from libs.spatial_utils.formats import find_format
    from services.cli import output
    from services.cli.delivery import usage_errors, user
    from services.cli.typed import all_spelled, rejections_spelled

    with usage_errors():
        found = local_files(files, find_format(file_format, "--format") if file_format else None)
    of_all = given(crs=crs, replace_crs=replace_crs or None, layer=layer, encoding=encoding)
    inspected = []
    for path, local in zip(files, found[:1] if manifest else found, strict=False):
        with nullcontext() if as_json else rejections_spelled([str(path)]):
            inspected.append(inspect_file(Settings(), local, user(), {}, of_all))
    if manifest:
        output.emit_json(inspected[0].manifest)
    elif as_json:
        output.emit_json(inspected)
    else:
        for file, each in zip(files, inspected, strict=True):
            _show(
                all_spelled(each, [str(file)]),
                shlex.join([str(file), *(part for name, value in of_all.items() for part in _typed(name, value))]),
            )
    raise typer.Exit(1 if any(each.problems for each in inspected) else 0)


def _typed(name: str, value: str | bool) -> tuple[str, ...]:
    option = f"--{name.replace('_', '-')}"
    return (option,) if value is True else (option, str(value))


def _show(found: "Inspection", typed: str) -> None:
    from services.cli import output

    output.line(output.text(found.file, "bold"), f"  {found.format}, looks like {found.looks_like}")
    for layer in found.layers:
        _show_layer(layer)
    if found.problems:
        output.line(output.text(output.count(len(found.problems), "problem"), "red"), indent=2)
        output.problems(found.problems, style="red")
    if found.warnings:
        output.line(output.text(output.count(len(found.warnings), "warning"), "yellow"), indent=2)
        output.problems(found.warnings, style="yellow")
    if not found.problems:
        output.line(output.text(f"→ spatial-etl ingest {typed}", "cyan"), indent=2)
    output.line()


def _show_layer(layer: "LayerProfile") -> None:
    from services.cli import output

    if layer.raster is not None:
        from services.cli.raster import facts_of, raster_bands
        from services.cli.report import raster

        output.line(output.text(layer.name, "bold"), f"  {raster(layer.raster)}", indent=2)
        output.facts([("CRS", layer.crs or "none"), ("extent", output.extent(layer.extent)), *facts_of(layer.raster)])
        output.table(*raster_bands(layer.raster))
        return
    kinds = ", ".join(layer.geometry_types) or ("no geometry" if layer.extent is None else "")
    output.line(output.text(layer.name, "bold"), f"  {output.count(layer.features, 'feature')}  {kinds}", indent=2)
    if layer.geometry_types:
        said = {"file": "the file says so", "manifest": "as given", "format": "the format's default"}
        source = said.get(layer.crs_source or "", "")
        output.line("CRS     ", layer.crs or "none", f" ({source})" if source and layer.crs else "", indent=4)
    if layer.extent:
        output.line("extent  ", "  ".join(f"{side:.10g}" for side in layer.extent), indent=4)
    for row in layer.picture:
        output.line(row, indent=4)
    rows = [
        (
            column.name,
            column.type,
            f"{column.nulls:,}",
            " … ".join(filter(None, (column.least, column.most))),
            ", ".join(column.samples),
        )
        for column in layer.columns
    ]
    output.table(("COLUMN", "TYPE", "NULLS", "RANGE", "FIRST VALUES"), rows, right=("NULLS",))
