"""What the command line adds to a delivery: the user's name, parameters as text, and usage errors."""

import getpass
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from libs.models import Rejected
from libs.models.inputs import VERSION_PATTERN
from libs.pipeline.delivery import NamedInput
from libs.pipeline.upload import DeliveryError
from libs.raw_text import inert


@contextmanager
def usage_errors(param_hint: str | None = None) -> Iterator[None]:
    """Turn an error of the local files into a usage error that names the option which helps."""
    try:
        yield
    except DeliveryError as error:
        remedy = " Name its format by --format." if error.format_helps else ""
        raise typer.BadParameter(inert(f"{error}{remedy}"), param_hint=param_hint) from error


@contextmanager
def replacing_told() -> Iterator[None]:
    """Say of files that were not replaced which option replaces them."""
    try:
        yield
    except Rejected as rejected:
        raise Rejected(
            problem.model_copy(update={"remedy": f"{problem.remedy} Or type --replace, if it is yours."})
            if problem.code == "file_taken"
            else problem
            for problem in rejected.problems
        ) from rejected


def user() -> str:
    """The name that the uploader is recorded by."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a process without an entry in the user database, as in a container
        return "unknown"


def number_or_share(said: str | None) -> int | float | None:
    """``--max-set-aside``: a number of features, or a share of them.

    Raises:
        typer.BadParameter: for anything else.
    """
    if said is None:
        return None
    try:
        if said.endswith("%"):
            return float(said[:-1]) / 100
        return int(said) if said.isdecimal() else float(said)
    except ValueError:
        raise typer.BadParameter(
            f"{said!r} is not a number or a share, such as 100, 0.02 or 2%.", param_hint="--max-set-aside"
        ) from None


def changes(said: str | None) -> str | dict[str, str] | None:
    """``--on-change``: one policy for everything, or ``kind=allow,crs=reject``. The manifest's checks say what is wrong.

    Raises:
        typer.BadParameter: for anything else.
    """
    if said is None or "=" not in said:
        return said
    pairs = [pair.partition("=") for pair in said.split(",")]
    if not all(separator and name.strip() for name, separator, _ in pairs):
        raise typer.BadParameter(f"{said!r} is not of the form kind=allow,crs=reject.", param_hint="--on-change")
    return {name.strip(): policy.strip() for name, _, policy in pairs}


def quality_rules(file: Path | None) -> Any:
    """``--rules``: what a file of YAML or JSON holds. The manifest's checks say what is wrong with the rules.

    Raises:
        typer.BadParameter: when it is neither, or holds no rule.
    """
    if file is None:
        return None
    from libs.transformations.yaml12 import parse_yaml

    try:
        said = parse_yaml(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(inert(f"{file} cannot be read: {error}."), param_hint="--rules") from error
    rules = said.get("rules") if isinstance(said, dict) else said
    if not isinstance(rules, list) or not rules:
        raise typer.BadParameter(
            inert(f"{file} holds no list of rules, such as\n- {{rule: not_null, column: name}}"), param_hint="--rules"
        )
    return rules


def row_number(said: str | None) -> int | str | None:
    """``--header``: a row's number as a number; the manifest's checks say what else is wrong."""
    return int(said) if said is not None and said.isascii() and said.isdigit() else said


def parameters(pairs: Iterable[str]) -> dict[str, Any]:
    """``--param`` values: ``tolerance=5`` gives a number, ``name=Elm Street`` a text, ``bbox=[1,2,3,4]`` a list.

    Raises:
        typer.BadParameter: without a ``=``, or for a name given twice.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise typer.BadParameter(f"{pair!r} is not of the form NAME=VALUE.", param_hint="--param")
        if name in values:
            raise typer.BadParameter(f"{name!r} is given twice.", param_hint="--param")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values


def named_inputs(pairs: Iterable[str]) -> list[NamedInput]:
    """``--input`` values: ``zones=zones.gpkg``, ``zones=town.gpkg:districts`` for one of its layers, ``zones=zones@3``.

    What is a file is taken for it; everything else that can be the name of a dataset, for a dataset.

    Raises:
        typer.BadParameter: for what is neither.
    """
    found = []
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name or not value:
            raise typer.BadParameter(f"{pair!r} is not of the form NAME=FILE or NAME=DATASET.", param_hint="--input")
        path, _, layer = value.rpartition(":")
        if Path(value).exists():
            found.append(NamedInput(name, path=Path(value)))
        elif path and layer and Path(path).exists():
            found.append(NamedInput(name, path=Path(path), layer=layer))
        elif re.fullmatch(VERSION_PATTERN, value):
            found.append(NamedInput(name, dataset=value))
        else:
            raise typer.BadParameter(f"There is no file {value!r}, and it cannot be the name of a dataset.", param_hint="--input")
    return found
