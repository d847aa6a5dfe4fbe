"""What the command line adds to a delivery: the user's name, parameters as text, and usage errors."""

import getpass
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from libs.models import Rejected
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
