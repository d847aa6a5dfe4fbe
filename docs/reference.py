"""Makes the reference pages of the site from the program itself, each time the site is built: nothing is typed twice.

MkDocs loads this file as a hook (``mkdocs.yml``). The pages are never written to the disk, so that they cannot be out of date.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import BaseModel, SecretStr

from libs.compute.crs import look_up_crs
from libs.models import Policies
from libs.models.codes import GROUPS
from libs.models.inputs import DatasetInput
from libs.models.manifest import CsvOptions, FileSpec, Manifest
from libs.models.policies import OnChange
from libs.models.quality import RULES, QualityRule, WithRules
from libs.models.settings import Settings
from libs.spatial_utils.formats import FORMATS, KNOWN_BUT_NOT_READ
from libs.transformations import DuckDb, PostGis, Recipe, Registry, conditions
from libs.transformations.builtin import ALIASES
from libs.transformations.raster import RASTER_STEPS, gdal_command
from libs.transformations.relation import EXAMPLE, EXAMPLE_INPUT
from libs.transformations.steps import STEPS
from services.cli.main import app

ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "reproject": {"crs": "EPSG:3035"},
    "simplify": {"tolerance": {"value": 5, "unit": "m"}},
    "set_precision": {"grid": {"value": 0.01, "unit": "m"}},
    "clip": {"bbox": [9.0, 48.0, 10.0, 49.0]},
    "filter": {"condition": {"column": "name", "op": "eq", "value": "school"}},
    "select": {"columns": ["name"]},
    "rename": {"columns": {"name": "title"}},
    "cast": {"columns": {"id": "string"}},
    "warp": {"crs": "EPSG:3857", "resolution": 2, "resampling": "bilinear"},
    "clip_raster": {"bbox": [565000, 5930000, 566000, 5931000]},
    "select_bands": {"bands": [4, 3, 2]},
    "cast_pixels": {"type": "int16"},
    "set_nodata": {"nodata": -9999},
    "join": {"on": ["id"]},
    "spatial_join": {"columns": ["value"]},
}
"""Values for the recipes whose SQL, or command, needs some."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; called by MkDocs before it looks for what the navigation names."""
    for name, make in PAGES.items():
        files.append(File.generated(config, f"reference/{name}.md", content="\n".join(make())))
    return files


def cli() -> Iterator[str]:
    """Each command with its arguments and options, as ``--help`` has them."""
    yield "# Command line\n"
    yield "Every command takes `--help`. `--home FOLDER` stands before the command, and says where the embedded stores are.\n"
    yield "Exit codes: 0 done, 1 a batch was rejected or failed, 2 wrong usage, 3 a setting is wrong or a service is not there;\n"
    yield "of `verify` 4 the lake is damaged, 5 the ledger, 6 both.\n"
    for name, command in _commands(typer.main.get_command(app), ""):
        arguments = [item for item in command.params if item.param_type_name == "argument"]
        options = [item for item in command.params if item.param_type_name == "option" and not item.hidden]
        shown = (item.metavar if item.required or "[" in item.metavar else f"[{item.metavar}]" for item in arguments)
        usage = " ".join([name, *shown])
        yield f"## {name}\n\n```sh\nspatial-etl {usage}\n```\n\n{_prose(command.help or '')}\n"
        rows = [(f"`{item.metavar}`", item.help) for item in arguments]
        rows += [(f"`{' '.join(filter(None, (', '.join(item.opts), item.metavar)))}`", _option(item)) for item in options]
        yield from _table(("", "meaning"), rows)


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _option(option: Any) -> str:
    default = option.default if isinstance(option.default, str | int) and not isinstance(option.default, bool) else None
    shown = option.show_default if isinstance(option.show_default, str) else default
    return f"{option.help}{f' Default: `{shown}`.' if shown is not None else ''}"


def manifest() -> Iterator[str]:
    """The manifest's keys, from the model that reads it."""
    yield "# Manifest\n"
    yield "A JSON file `manifests/<batch_id>.json` in the landing zone. Keys that are not listed here are refused, except in"
    yield "`metadata`. `spatial-etl config --schema` prints the JSON Schema, for editors that complete and check.\n"
    for title, model in (
        ("Top level", Manifest),
        ("`files[]`", FileSpec),
        ("`files[].options`", CsvOptions),
        ("`inputs[]`", DatasetInput),
        ("`on_change`", OnChange),
    ):
        schema = model.model_json_schema()
        needed = schema.get("required", ())
        documented = attributes(model)
        yield f"## {title}\n"
        rows = [
            (f"`{name}`", _type(about, schema), "yes" if name in needed else "", documented[name])
            for name, about in schema["properties"].items()
        ]
        yield from _table(("key", "type", "required", "meaning"), rows)


def recipes() -> Iterator[str]:
    """Each built-in recipe: parameters, steps, and its SQL on both engines, or GDAL's command."""
    yield "# Recipes\n"
    yield "The intent of a manifest selects a recipe."
    yield "A recipe of your own is a [YAML file](../how-to/recipe.md) of [steps](steps.md). Besides `name`, `description`,"
    yield "`parameters`, `inputs` and `steps`, it may have these keys:\n"
    rows = [
        (f"`{key}`", _type(about, schema), attributes(model)[key])
        for model in (WithRules, Policies)
        for schema in (model.model_json_schema(),)
        for key, about in schema["properties"].items()
    ]
    yield from _table(("key", "type", "meaning"), rows)
    yield "The SQL is shown for a dataset in EPSG:25832 with the columns `id` and `name`, and named inputs in EPSG:4326 with `id`"
    yield "and `value`."
    yield "`spatial-etl recipes NAME --sql duckdb --dataset DATASET` shows it for yours.\n"
    names = {recipe: alias for alias, recipe in ALIASES.items()}
    for recipe in Registry().recipes.values():
        yield f"## {recipe.name}\n\n{recipe.description}\n"
        if recipe.name in names:
            yield f"Also called `{names[recipe.name]}`.\n"
        if recipe.parameters:
            rows = [
                (f"`{item.name}`", item.type, "required" if item.required else _default(item.default), item.description)
                for item in recipe.parameters
            ]
            yield from _table(("parameter", "type", "default", "meaning"), rows)
        if recipe.inputs:
            yield from _table(("input", "meaning"), [(f"`{each.name}`", each.description) for each in recipe.inputs])
        if recipe.policies:
            yield "Policies, where the manifest says nothing:\n"
            yield from _table(("key", "policy"), [(f"`{key}`", f"`{policy}`") for key, policy in recipe.policies.items()])
        yield from _gdal(recipe) if recipe.for_rasters else _sql(recipe)


def _gdal(recipe: Recipe) -> Iterator[str]:
    arguments = dict(ARGUMENTS.get(recipe.name, {}))
    yield f"### GDAL's command of {recipe.name} {{ data-search-exclude }}\n"
    if arguments:
        yield f"With the parameters `{arguments}`:\n"
    yield f"```sh\n{gdal_command(recipe.bind(arguments).raster_steps)}\n```\n"


def _sql(recipe: Recipe) -> Iterator[str]:
    arguments = dict(ARGUMENTS.get(recipe.name, {}))
    yield f"### SQL of {recipe.name} {{ data-search-exclude }}\n"
    if arguments:
        yield f"With the parameters `{arguments}`:\n"
    for title, dialect in (("DuckDB", DuckDb()), ("PostGIS", PostGis())):
        inputs = {each.name: EXAMPLE_INPUT for each in recipe.inputs}
        plan = recipe.bind(arguments).plan(EXAMPLE, dialect, look_up_crs, inputs=inputs)
        statements = "\n".join(f"CREATE TABLE {stage.target} AS\n{stage.select};" for stage in plan.statements)
        yield f'??? note "{title}"\n'
        yield "\n".join(f"    {line}" for line in ("```sql", *statements.splitlines(), "```")) + "\n"


def steps() -> Iterator[str]:
    """Each step with its parameters."""
    yield "# Steps\n\nA recipe is an ordered list of these. A step that changes data counts what it changes.\n"
    yield "Steps for rasters are those of GDAL's `gdal raster pipeline`: `spatial-etl recipes NAME --gdal` shows the command.\n"
    for name, step in (STEPS | RASTER_STEPS).items():
        schema = step.model_json_schema()
        documented = attributes(step)
        needed = schema.get("required", ())
        rows = [
            (f"`{key}`", _type(about, schema), "required" if key in needed else _default(about.get("default")), documented[key])
            for key, about in schema["properties"].items()
            if key != "op"
        ]
        yield f"## {name}\n\n{summary(step)}\n"
        yield from _table(("parameter", "type", "default", "meaning"), rows) if rows else ()
    yield f"## Conditions\n\n{_prose(conditions.__doc__ or '')}\n"
    yield from _table(("key", "meaning"), [(f"`{name}`", text) for name, text in attributes(conditions.Comparison).items()])


def rules() -> Iterator[str]:
    """Each quality rule with its keys."""
    yield "# Quality rules\n"
    yield "An entry of `rules` in a manifest, one of its files, or a [recipe](../how-to/recipe.md):"
    yield "[Check what must hold](../how-to/quality.md) says how. Each has `rule`, its name below, and may have these keys:\n"
    common = attributes(QualityRule)
    yield from _table(("key", "meaning"), [(f"`{key}`", common[key]) for key in ("severity", "name")])
    for name, model in RULES.items():
        schema = model.model_json_schema()
        documented, needed = attributes(model), schema.get("required", ())
        yield f"## {name}\n\n{summary(model)}\n"
        rows = [
            (f"`{key}`", _type(about, schema), "yes" if key in needed else "", documented[key])
            for key, about in schema["properties"].items()
            if key not in common
        ]
        yield from _table(("key", "type", "required", "meaning"), rows) if rows else ()


def codes() -> Iterator[str]:
    """Each code of a problem or a warning."""
    yield "# Problems and warnings\n"
    yield "Each entry of a report has a code. The message beside it names the file, the place and the value. A *problem* rejects"
    yield "the batch: nothing of it is loaded. With a *warning*, the batch is loaded.\n"
    for title, entries in GROUPS.items():
        yield f"## {title}\n"
        rows = [(f'`{code}`<a id="{code}"></a>', entry.severity, entry.meaning, entry.remedy) for code, entry in entries.items()]
        yield from _table(("code", "is a", "meaning", "what to do"), rows)


def settings() -> Iterator[str]:
    """Each setting with its default."""
    yield "# Settings\n"
    yield "From the environment, then from a file `.env` in the working folder, then from one beside the home `var`: the first"
    yield "that has a setting wins. Relative paths in the last one are relative to its folder. None has to be set."
    yield "`spatial-etl config` shows the settings in force and where each comes from.\n"
    documented = attributes(Settings)
    rows = []
    for name, field in Settings.model_fields.items():
        secret = " Secret." if SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ())) else ""
        meaning = re.sub(
            r"`(\w+)`", lambda code: code[0].upper() if code[1] in Settings.model_fields else code[0], documented[name]
        )
        rows.append((f"`{name.upper()}`", "" if field.default is None else f"`{field.default}`", meaning + secret))
    yield from _table(("setting", "default", "meaning"), rows)


def formats() -> Iterator[str]:
    """Each format with its files."""
    yield "# Formats\n"
    yield "Each may also come in a `.zip`: name the format of what is in it."
    yield "`format` in a manifest is compared without regard to case,"
    yield "spaces, `-` and `_`. A KMZ is an archive of a KML, with the extension `.kmz`.\n"
    rows = []
    for entry in FORMATS:
        main = ("folder " if entry.folder else "") + " ".join(f"`{extension}`" for extension in entry.extensions)
        needed = " ".join(f"`{' or '.join(part.split('|'))}`" for part in entry.required)
        more = " ".join(f"`{part}`" for part in (*entry.optional, *entry.suffixes))
        encoding = {None: "`encoding`, else as the file says", "declared": "as the file declares"}.get(
            entry.encoding, entry.encoding
        )
        rows.append((f"`{entry.name}`", ", ".join(entry.aliases), main, needed, more, encoding))
    yield from _table(("format", "also called", "main file", "with", "also read", "text"), rows)
    yield "\n## Not read\n"
    yield from _table(("format", "what to do"), [(f"`{name}`", advice) for name, advice in KNOWN_BUT_NOT_READ.items()])


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    make.__name__: make for make in (cli, manifest, recipes, steps, rules, codes, settings, formats)
}
"""By the name of the page."""


def attributes(model: type[BaseModel]) -> dict[str, str]:
    """What the docstrings of a model and of those that it is made from say of their attributes."""
    found: dict[str, str] = {}
    for part in reversed(model.__mro__):
        text = inspect.cleandoc(part.__doc__ or "") if part.__module__.startswith(("libs.", "services.")) else ""
        section = re.search(r"^Attributes:\n((?:    .*\n?|\n)+)", text, re.MULTILINE)
        for entry in re.finditer(r"^    (\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.MULTILINE):
            found[entry[1]] = _prose(entry[2])
    return found


def summary(model: type[BaseModel]) -> str:
    """A docstring without its sections."""
    return _prose(re.split(r"^(?:Attributes|Args|Raises|Returns):", inspect.cleandoc(model.__doc__ or ""), flags=re.MULTILINE)[0])


def _prose(text: str) -> str:
    """A docstring's text as Markdown."""
    text = text.replace(":mod:`libs.transformations.conditions`", "[conditions](#conditions)")
    text = re.sub(r"\s*\(see :\w+:`[^`]+`\)", "", text).replace("``", "`")
    parts = re.split(r"(`[^`]*`)", text)
    text = "".join(part if number % 2 else re.sub(r"<\w+>\S*", r"`\g<0>`", part) for number, part in enumerate(parts))
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def _type(about: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """A JSON Schema in a word or two."""
    if "$ref" in about:
        return _type(schema["$defs"][about["$ref"].rpartition("/")[2]], schema)
    if parts := about.get("anyOf") or about.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(part, schema) for part in parts if part.get("type") != "null"))
    if "enum" in about:
        return ", ".join(f"`{value}`" for value in about["enum"])
    if "const" in about:
        return f"`{about['const']}`"
    if about.get("type") == "array":
        return f"list of {_type(about['items'], schema)}" if about.get("items") else "list"
    return str(about.get("type", "any value"))


def _default(value: Any) -> str:
    return "" if value is None else f"`{value}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |\n| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"
    yield ""


def _cell(value: object) -> str:
    """A cell's text on one line. What looks like a tag is none, but for an anchor."""
    parts = re.split(r"(`[^`]*`|<a id=.*?></a>)", " ".join(str(value).split()).replace("|", r"\|"))
    return "".join(part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts))
