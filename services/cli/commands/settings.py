"""``config``: the settings in force, and the manifest's JSON Schema."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.options import AsJson

if TYPE_CHECKING:
    from libs.models.settings import Settings


def config(
    *,
    schema: Annotated[bool, typer.Option("--schema", help="Print the manifest's JSON Schema, for editors.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the settings in force, or the manifest's schema.

    Secrets are masked. FROM is the environment, the file .env in the working folder or beside the home, or the default.
    """
    from services.cli import output
    from services.cli.place import without_server

    if schema:
        from libs.models import manifest_schema

        output.emit_json(manifest_schema())
        return
    from libs.models.settings import Settings

    settings = Settings()
    rows = settings_in_force(settings)
    engine, reason = _engine(settings)
    for row in rows:
        if row["name"] == "SPATIAL_ETL_ENGINE" and row["value"] is None:
            row["value"], row["from"] = engine, f"default: {reason}"
    if as_json:
        output.emit_json(rows)
        return
    cells = []
    for row in rows:
        value = "-" if row["value"] is None else row["value"]
        cells.append((row["name"], value, output.text(row["from"], "dim" if row["from"].startswith("default") else "")))
    output.table(("SETTING", "VALUE", "FROM"), cells)
    if engine is None:
        output.note(reason)
    output.note(without_server())


def _engine(settings: "Settings") -> tuple[str | None, str]:
    """The compute engine and why it was chosen; None and the problem where the settings name no engine that can be opened."""
    from libs.models import ServiceUnavailable
    from libs.platform import choose_engine

    try:
        choice = choose_engine(settings)
    except ServiceUnavailable as error:
        return None, str(error)
    return choice.name, choice.reason


def settings_in_force(settings: "Settings") -> list[dict[str, Any]]:
    """Name, value (None: not set; a secret: masked) and origin of every setting.

    The origin follows the order of :class:`~libs.models.settings.Settings`: the environment, then ``.env`` in the working folder,
    then ``.env`` beside the home, then the default.
    """
    from dotenv import dotenv_values
    from pydantic import SecretStr

    from libs.models.home_env import env_beside
    from libs.models.settings import HOME, home_above

    named = os.environ.get("SPATIAL_ETL_HOME") or dotenv_values(".env").get("SPATIAL_ETL_HOME")
    beside = env_beside(Path(named) if named else home_above() or HOME)
    origins: dict[str, str] = {}
    for file in (beside, Path(".env")):
        if file is not None and file.is_file():
            origins |= dict.fromkeys(map(str.lower, dotenv_values(file)), str(file))
    origins |= dict.fromkeys(map(str.lower, os.environ), "environment")
    rows = []
    for name, value in settings:
        origin = origins.get(name, "default")
        if name == "spatial_etl_home" and origin == "default" and value.is_absolute():
            origin = "default: found above the working folder"
        shown = "********" if isinstance(value, SecretStr) else str(value) if isinstance(value, Path) else value
        rows.append({"name": name.upper(), "value": shown, "from": origin})
    return rows
