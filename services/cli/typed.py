"""Problems in the words of the command that was typed: its files and options, not the places and keys of the manifest it made."""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from libs.models import Policies, Problem, Rejected, Report
from libs.models.inspection import Inspection

OF_FILES = (
    "crs", "replace_crs", "layer", "dataset_id", "geometry", "encoding", "format", "missing_sidecars", "keep_key",
    "x", "y", "wkt", "delimiter", "decimal", "thousands", "quote", "header", "skip_rows", "comment",
)  # fmt: skip
GROWING = ("mode", "key", "schema")
OPTIONS = {
    **{
        key: f"--{key.replace('_', '-')}"
        for key in ("batch_id", "uploader", "intent", "project", "raw", "rules", *OF_FILES, *GROWING, *Policies.model_fields)
    },
    "null_values": "--null-value",
}
"""The option of ``ingest`` for each key of a manifest that has one."""

Told = TypeVar("Told", Report, Inspection)

_DECODER = json.JSONDecoder()
_PLACE = re.compile(r"\bfiles\[(\d+)\](?:\.(?:options\.)?(\w+))?")
_PAIR = re.compile(r'"(\w+)": ')
_KEY = re.compile(r"'(?:options\.|metadata\.)?(\w+)'")
_INTENT = re.compile(r"\b[Tt]he intent '([\w-]+)'")
_IN_MANIFEST = re.compile(r"(?: (?:for|of) (?:this file|all these files))? in the manifest\b")
_WRITE = re.compile(r"\b([Ww])rite (?=--)")


def spelled(problem: Problem, files: Sequence[str]) -> Problem:
    """A problem as it is told to whoever has typed the files' names.

    Args:
        problem: Of the manifest that was made of the command.
        files: The files as typed, in the order of the manifest.
    """
    return problem.model_copy(
        update={
            "where": _where(problem.where, files),
            "message": _PLACE.sub(lambda place: _file(place, files), problem.message),
            "remedy": _remedy(problem.remedy),
        }
    )


def all_spelled(told: Told, files: Sequence[str]) -> Told:
    """A report, or what was found in a file, with its problems and warnings as they are told to whoever has typed the names."""
    problems, warnings = (tuple(spelled(each, files) for each in found) for found in (told.problems, told.warnings))
    return told.model_copy(update={"problems": problems, "warnings": warnings})


@contextmanager
def rejections_spelled(files: Sequence[str]) -> Iterator[None]:
    """Tell what is wrong with the options before a file is uploaded, in their own words."""
    try:
        yield
    except Rejected as rejected:
        raise Rejected(spelled(problem, files) for problem in rejected.problems) from rejected


def _where(where: str, files: Sequence[str]) -> str:
    if _PLACE.match(where):
        return _PLACE.sub(lambda place: _file(place, files), where, count=1)
    first, _, rest = where.partition(".")
    if first == "parameters" and rest:
        return f"--param {rest}"
    return OPTIONS.get(rest if first == "metadata" else where, where)


def _file(place: re.Match[str], files: Sequence[str]) -> str:
    """A file's name, and the option that the place is about."""
    index, option = int(place[1]), OPTIONS.get(place[2] or "")
    name = files[index] if index < len(files) else f"files[{index}]"
    return f"{name}, {option}" if option else name


def _remedy(remedy: str) -> str:
    said = _KEY.sub(lambda key: OPTIONS.get(key[1], key[0]), _INTENT.sub(r"--intent \1", _pairs(remedy)))
    if said == remedy:
        return remedy
    return _WRITE.sub(lambda verb: "Type " if verb[1] == "W" else "type ", _IN_MANIFEST.sub("", said))


def _pairs(text: str) -> str:
    """A text with the settings that it spells as JSON as options; those that stand beside each other without a comma."""
    said, at = "", 0
    for pair in _PAIR.finditer(text):
        if pair.start() < at:
            continue  # inside of another one
        try:
            value, end = _DECODER.raw_decode(text, pair.end())
        except ValueError:
            continue  # prose
        options = _options(pair[1], value)
        if options:
            between = text[at : pair.start()]
            said += (" " if at and between == ", " else between) + shlex.join(options)
            at = end
    return said + text[at:]


def _options(key: str, value: Any) -> list[str]:
    """A setting as it is typed; nothing for one without an option."""
    if key == "options" and isinstance(value, dict):
        return [part for name, each in value.items() for part in _options(name, each)]
    if key == "parameters" and isinstance(value, dict):
        return [part for name, each in value.items() for part in ("--param", f"{name}={_parameter(each)}")]
    option = OPTIONS.get(key)
    if option is None:
        return []
    if isinstance(value, dict):
        return [option, ",".join(f"{name}={each}" for name, each in value.items())]
    if value is True:
        return [option]
    texts = [str(each) for each in (value if isinstance(value, list) else [value])]
    return [part for text in texts for part in ([f"{option}={text}"] if text.startswith("-") else [option, text])]


def _parameter(value: Any) -> str:
    """A value that ``--param`` reads back as it is: a text that is no JSON as it stands, everything else as JSON."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value, ensure_ascii=False)
