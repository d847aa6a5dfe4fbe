"""``recipes``: what an intent can select, and the SQL, or the command of GDAL, that it comes to."""

from typing import TYPE_CHECKING, Annotated

import typer

from libs.raw_text import inert
from services.cli.options import AsJson, RecipeName

if TYPE_CHECKING:
    from libs.transformations import Recipe, Registry, Relation


def recipes(
    name: RecipeName = None,
    *,
    sql: Annotated[
        str | None, typer.Option(metavar="ENGINE", help="Show the SQL of the recipe for this engine, such as duckdb.")
    ] = None,
    gdal: Annotated[bool, typer.Option("--gdal", help="Show the command of GDAL that a recipe for rasters comes to.")] = False,
    param: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of the recipe. Repeatable.")] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="DATASET[@N]", help="Show the SQL for its columns and CRS, not for those of an example.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes; or show one, as steps, as SQL or as a command of GDAL."""
    from libs.models.settings import Settings
    from libs.platform import open_registry
    from services.cli import output

    registry = open_registry(Settings())
    if name is None:
        if sql is not None:
            raise typer.BadParameter("Name the recipe: spatial-etl recipes NAME --sql duckdb.", param_hint="--sql")
        if gdal:
            raise typer.BadParameter("Name the recipe: spatial-etl recipes NAME --gdal.", param_hint="--gdal")
        _list(registry, as_json=as_json)
        return
    recipe = _find(registry, name)
    if gdal:
        _show_gdal(recipe, param or ())
    elif sql is not None:
        _show_sql(recipe, sql, param or (), dataset)
    elif as_json:
        output.emit_json(recipe)
    else:
        _show(recipe)


def _find(registry: "Registry", name: str) -> "Recipe":
    from services.cli.lookup import unknown

    recipe, is_default = registry.for_intent(name)
    if is_default:
        raise unknown("recipe", name, registry.recipes)
    return recipe


def _list(registry: "Registry", *, as_json: bool) -> None:
    from services.cli import output

    found = list(registry.recipes.values())
    if as_json:
        broken = [{"name": each.name, "file": each.file, "problems": each.problems} for each in registry.broken]
        output.emit_json([*found, *broken])
        return
    rows = [
        (
            recipe.name,
            ", ".join(parameter.name + ("" if parameter.required else "?") for parameter in recipe.parameters) or "-",
            recipe.description,
        )
        for recipe in found
    ]
    output.table(("RECIPE", "PARAMETERS", "WHAT IT DOES"), rows)
    output.line(output.text("A parameter with ? may be left out. `spatial-etl recipes NAME` shows one.", "dim"))
    if registry.broken:
        output.line()
        said = f"{output.count(len(registry.broken), 'file')} in the folder of recipes cannot be used:"
        output.line(output.text(said, "red"))
        output.problems([problem for each in registry.broken for problem in each.problems], style="red")


def _show(recipe: "Recipe") -> None:
    from services.cli import output, steps

    output.line(output.text(recipe.name, "bold"), f"  {recipe.description}")
    if recipe.parameters:
        output.line()
        rows = [
            (
                parameter.name,
                parameter.type,
                "required" if parameter.required else "-" if parameter.default is None else steps.value(parameter.default),
                parameter.description,
            )
            for parameter in recipe.parameters
        ]
        output.table(("PARAMETER", "TYPE", "DEFAULT", "MEANING"), rows)
    if recipe.inputs:
        output.line()
        output.table(("INPUT", "MEANING"), [(each.name, each.description) for each in recipe.inputs])
    output.line()
    steps.show(recipe.steps)
    if recipe.policies:
        output.line()
        output.line("Policies, where the manifest says nothing: ", output.text(steps.policies(recipe.policies), "dim"))


def _show_gdal(recipe: "Recipe", pairs: "list[str] | tuple[str, ...]") -> None:
    from libs.transformations.raster import gdal_command
    from services.cli.delivery import parameters

    bound = recipe.bind(parameters(pairs))
    if bound.steps and not bound.for_rasters:
        raise typer.BadParameter(
            f"The recipe {recipe.name!r} is for features: spatial-etl recipes {recipe.name} --sql duckdb.", param_hint="--gdal"
        )
    typer.echo(inert(gdal_command(bound.raster_steps)))


def _show_sql(recipe: "Recipe", engine: str, pairs: "list[str] | tuple[str, ...]", dataset: str | None) -> None:
    from libs.compute.crs import look_up_crs
    from libs.transformations import DIALECTS
    from libs.transformations.relation import EXAMPLE_INPUT
    from services.cli.delivery import parameters

    if engine not in DIALECTS:
        raise typer.BadParameter(f"{engine!r} is not an engine; give {' or '.join(map(repr, DIALECTS))}.", param_hint="--sql")
    if recipe.for_rasters:
        raise typer.BadParameter(
            f"The recipe {recipe.name!r} is for rasters: spatial-etl recipes {recipe.name} --gdal.", param_hint="--sql"
        )
    shown = _relation(dataset)
    inputs = {each.name: EXAMPLE_INPUT for each in recipe.inputs}
    plan = recipe.bind(parameters(pairs)).plan(shown, DIALECTS[engine](), look_up_crs, inputs=inputs)
    for stage in plan.statements:
        typer.echo(inert(f"CREATE TABLE {stage.target} AS\n{stage.select};", keep="\n"))


def _relation(dataset: str | None) -> "Relation":
    """Columns and CRS that SQL is shown for."""
    from libs.transformations import Column, Relation
    from libs.transformations.relation import EXAMPLE

    if dataset is None:
        return EXAMPLE
    from libs.column_names import RESERVED_NAMES
    from services.cli.commands.catalog import find_asset
    from services.cli.place import opened_ledger

    with opened_ledger() as ledger:
        asset = find_asset(ledger, dataset)
    columns = tuple(Column(name=field.name, type=field.type) for field in asset.table_schema if field.name not in RESERVED_NAMES)
    return Relation(columns=columns, geometry=asset.has_geometry, crs=asset.crs)
