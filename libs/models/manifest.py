"""The manifest: the JSON that describes a batch, and its parsing into one complete problem list.

Only what can be known without opening a file is checked here; what the files really are is the pipeline's to find out.
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictInt, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from libs.models.base import Identifier, Model, Sha256
from libs.models.growth import Growing, growing_problems
from libs.models.inputs import DatasetInput, InputName, input_problems
from libs.models.policies import Policies
from libs.models.problem import Problem, Rejected
from libs.models.quality import WithRules, is_of_rule, what_is_wrong

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
"""A manifest is written by hand or by a small script: more than this is no manifest."""

MAX_DEPTH = 64
"""Levels of objects and lists; MongoDB keeps 100, of which the ledger's own documents take some."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


NO_CRS = "none"
"""What a manifest writes for the CRS of local coordinates, such as those of a building site."""

MAX_FILES = 10_000
"""Of a batch, which is processed as one."""

MAX_NAME = 256
"""Characters of an uploader's name."""

MAX_PROBLEMS = 200
"""Problems that a list shows; a further one says how many more there are. All files are checked, but nobody corrects more than
these at a time, and reports stay small."""


class FileType(StrEnum):
    """What kind of data a file holds."""

    VECTOR = "vector"
    RASTER = "raster"
    TABULAR = "tabular"


_Character = Annotated[str, StringConstraints(min_length=1, max_length=1)]


class CsvOptions(Model):
    """How to read a file whose columns mean what the manifest says: delimited text or a spreadsheet.

    Attributes:
        x: Column with the x coordinate (longitude, easting). Needs ``y``.
        y: Column with the y coordinate (latitude, northing). Needs ``x``.
        wkt: Column with geometries as text, as ``geometry`` of the file; the name that it had first.
        delimiter: Of text: one character; found out from the first line when not given.
        decimal: Of text: the decimal separator of numbers, ``.`` or ``,``; a comma is found out where it is certain.
        thousands: Of text: what separates groups of three digits in numbers; nothing when not given.
        null_values: Of text: unquoted texts that are missing values, besides empty ones: ``NA``, ``-9999``.
        quote: Of text: what quotes values that hold a delimiter, ``"`` when not given; empty: nothing does.
        header: The number of the row (of text: the line) with the column names, from 1, or ``none`` where there are no names.
            When not given, it is the first line of text, and found in a spreadsheet.
        skip_rows: Of text: lines before the column names, or before the first row where there are no names.
        comment: Of text: a character; lines that begin with it are no rows.
    """

    x: str | None = Field(default=None, min_length=1)
    y: str | None = Field(default=None, min_length=1)
    wkt: str | None = Field(default=None, min_length=1)
    delimiter: _Character | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal[" ", ".", ",", "'", "\u2019", "_"] | None = None
    null_values: (
        Annotated[tuple[Annotated[str, StringConstraints(max_length=64)], ...], Field(min_length=1, max_length=32)] | None
    ) = None
    quote: Annotated[str, StringConstraints(max_length=1)] | None = None
    header: Annotated[StrictInt, Field(ge=1, le=1_048_576)] | Literal["none"] | None = None
    skip_rows: Annotated[StrictInt, Field(ge=0, le=10_000)] | None = None
    comment: _Character | None = None

    @property
    def given(self) -> frozenset[str]:
        """The names of the options that have a value."""
        return frozenset(self.model_dump(exclude_none=True))


class FileSpec(Growing, WithRules, Policies):
    """One file of a batch.

    Attributes:
        path: ``s3://<landing bucket>/<key>`` of the file, or of the folder of a FileGDB.
        type: Kind of data.
        format: The format's name as in the list of formats (``GeoJSON``, ``GPKG``, ``ESRI Shapefile``, ...).
        crs: ``EPSG:4326``-style code or WKT; may be left out when the file carries one. ``none``: the coordinates are local.
        replace_crs: Whether ``crs`` holds even where the file names another one, for files that name a wrong one.
        layer: Read only this layer, or those that a pattern such as ``road_*`` fits (``*`` for any characters, ``?`` for one;
            a layer of exactly this name wins); every layer when left out.
        dataset_id: Dataset that the file becomes a version of; files that share one are appended.
        name: What the recipe calls it, as a further input of its steps: it is no dataset of its own then. Files of one name are
            appended.
        geometry: For CSV, the column with geometries as text: WKT, EWKT, WKB or EWKB in hexadecimal digits, GeoJSON.
            Where a feature has several geometries (GeoPackage, GeoParquet, GML), the one that is read as the geometry.
        encoding: Character encoding of the attributes, for formats that have a choice (Shapefile, dBASE, CSV, MapInfo, DXF);
            it wins over what the file says.
        sha256: Checked against the file when given.
        options: For CSV and spreadsheets.
        missing_sidecars: ``allow``: read a Shapefile without its ``.shx`` or ``.dbf``, a ``.mif`` without its ``.mid``.
        keep_key: Whether the keys that number the rows of a GeoPackage or FileGDB (``fid``, ``OBJECTID``) become a column even
            if nothing in the file refers to them.
        categorical: Of a raster, whether its values are categories, of which no average makes sense: then overviews have the most
            frequent one. A raster with a palette or with names of categories is taken for such a one without it.
    """

    path: str = Field(min_length=1)
    type: FileType
    format: str = Field(min_length=1)
    crs: str | None = Field(default=None, min_length=1)
    replace_crs: StrictBool = False
    layer: str | None = Field(default=None, min_length=1)
    dataset_id: Identifier | None = None
    name: InputName | None = None
    geometry: str | None = Field(default=None, min_length=1)
    encoding: str | None = Field(default=None, min_length=1)
    sha256: Sha256 | None = None
    options: CsvOptions = CsvOptions()
    keep_key: StrictBool = False
    missing_sidecars: Literal["reject", "allow"] = "reject"
    categorical: StrictBool = False


def says_no_crs(crs: str | None) -> bool:
    """Whether a file's ``crs`` in a manifest says that its coordinates are local."""
    return crs is not None and crs.strip().lower() == NO_CRS


class Manifest(Growing, WithRules, Policies):
    """A batch: what was uploaded, by whom, and what should be done with it.

    Attributes:
        batch_id: Name of the batch, and of the manifest's file: ``manifests/<batch_id>.json``.
        uploader: The person or system that delivers.
        intent: The recipe to apply, such as ``ingest_vector``. An unknown one takes the default, with a warning.
        files: The files, each with what is known of it. May be left out where there are ``inputs``.
        inputs: Datasets of the lake that are read, too, or instead: each goes through the recipe as a file does.
        metadata: Any keys. Two have a meaning: ``project`` begins the names of the datasets, ``dataset_id`` names the only one.
        parameters: Values for the parameters of the recipe, by name.
        raw: ``keep``: keep a copy of each raw file in the lake, by its hash, so that the versions can be made again when the
            landing zone holds other files, or none. ``leave``, which holds when it is not given: they stay where they lie.
    """

    batch_id: Identifier
    uploader: str = Field(min_length=1, max_length=MAX_NAME)
    intent: str = Field(min_length=1, max_length=128)
    files: Annotated[tuple[FileSpec, ...], Field(max_length=MAX_FILES)] = ()
    inputs: Annotated[tuple[DatasetInput, ...], Field(max_length=100)] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)
    raw: Literal["leave", "keep"] = "leave"

    @property
    def main_files(self) -> dict[int, FileSpec]:
        """The files of which datasets are made, by their index: all but the named inputs."""
        return {index: file for index, file in enumerate(self.files) if file.name is None}

    @property
    def named_files(self) -> dict[int, FileSpec]:
        """The files of named inputs, by their index."""
        return {index: file for index, file in enumerate(self.files) if file.name is not None}


_LANDING_PATH = re.compile(r"^s3://(?P<bucket>[^/]+)/(?P<key>.+)$", re.DOTALL)
RESERVED_FOLDERS = frozenset({"manifests", "archive", "reports"})
"""Folders of the landing zone that belong to the protocol: no raw file lives there."""

MAX_KEY_BYTES = 1024
"""Of an object key: the limit of S3, kept everywhere, so that what works in a folder works on a server."""

_UNUSUAL = re.compile(r"[\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def landing_key(path: str, bucket: str | None) -> str:
    """The object key of a raw file's path.

    Args:
        path: As the manifest says, ``s3://<bucket>/<key>``.
        bucket: The landing bucket's name; None for a manifest that has been checked, since when the bucket may have been renamed.

    Raises:
        ValueError: with a message for the uploader, when the path is not a raw file's place in the landing zone.
    """
    match, shown = _LANDING_PATH.match(path), _shown(path)
    if match is None:
        raise ValueError(f"{shown} is not of the form s3://{bucket or '<bucket>'}/<key>.")
    if bucket is not None and match["bucket"] != bucket:
        raise ValueError(f"{shown} lies in the bucket {_shown(match['bucket'])}, not in the landing zone {bucket!r}.")
    key = match["key"].removesuffix("/")
    parts = key.split("/")
    if any(part in {"", ".", ".."} for part in parts) or _UNUSUAL.search(key):
        raise ValueError(f"{shown} is not in normal form: no empty, '.' or '..' parts, backslashes or control characters.")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"{shown} is longer than {MAX_KEY_BYTES} bytes.")
    if parts[0] in RESERVED_FOLDERS:
        raise ValueError(f"{shown} lies in {parts[0]}/, which the platform keeps for itself.")
    return key


@dataclass(frozen=True)
class ParsedManifest:
    """A manifest as far as it can be judged by itself. It is parsed once, and this is handed on.

    Attributes:
        content: The JSON document as uploaded.
        value: Its JSON value; None when it is not JSON.
        is_json: Whether it is.
        manifest: None when there are problems.
        problems: Everything that is wrong with it.
    """

    content: bytes
    value: Any
    is_json: bool
    manifest: Manifest | None
    problems: tuple[Problem, ...]

    @property
    def only_rasters(self) -> bool:
        """Whether no file has features or rows: no engine is needed then."""
        return self.manifest is not None and all(file.type is FileType.RASTER for file in self.manifest.files)

    def require(self) -> Manifest:
        """The manifest.

        Raises:
            Rejected: with everything that is wrong.
        """
        if self.manifest is None:
            raise Rejected(shortened(in_reading_order(self.problems)))
        return self.manifest


def parse_manifest(content: bytes, *, landing_bucket: str) -> ParsedManifest:
    """Parse a manifest and check all that can be checked without opening its files.

    Args:
        content: The JSON document as uploaded, UTF-8 with or without a byte order mark.
        landing_bucket: Name of the bucket that every path must lie in.
    """
    try:
        value = parse_json(content)
    except Rejected as rejection:
        return ParsedManifest(content, None, is_json=False, manifest=None, problems=tuple(rejection.problems))
    manifest, problems = _validated(value, landing_bucket)
    return ParsedManifest(content, value, is_json=True, manifest=manifest, problems=tuple(problems))


def _validated(raw: Any, landing_bucket: str) -> tuple[Manifest | None, list[Problem]]:
    files = raw.get("files") if isinstance(raw, dict) else None
    if isinstance(files, list) and len(files) > MAX_FILES:
        message = f"The batch has {len(files):,} files; the limit is {MAX_FILES:,}."
        return None, [Problem(code="too_long", where="files", message=message, remedy="Split it into several.")]
    problems: list[Problem] = []
    manifest: Manifest | None = None
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as error:
        # Pydantic calls a list "too short" when its items fail, too: empty is what was empty as written.
        errors = [
            details for details in error.errors(include_url=False) if not (details["type"] == "too_short" and details["input"])
        ]
        problems += [_explain_rule(each) if is_of_rule(each["loc"]) else _explain(each) for each in errors]
    problems += _cross_checks(raw, landing_bucket)
    return None if problems else manifest, in_reading_order(problems)


def in_reading_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems in the order in which a manifest is read, top to bottom; those of one place as they come."""
    return sorted(problems, key=lambda problem: _reading_order(problem.where))


def shortened(problems: Sequence[Problem]) -> list[Problem]:
    """The first problems of a list, and how many more there are."""
    more = len(problems) - MAX_PROBLEMS
    if more <= 0:
        return [*problems]
    said = "There is 1 more problem." if more == 1 else f"There are {more:,} more problems."
    return [
        *problems[:MAX_PROBLEMS],
        Problem(code="more_problems", where="manifest", message=said, remedy="Correct these first."),
    ]


def parse_json(content: bytes) -> Any:
    """Parse the JSON value of a manifest, well-formed or not: I-JSON (RFC 7493), which every store can keep without loss.

    Args:
        content: UTF-8 with or without a byte order mark.

    Raises:
        Rejected: when it is not JSON, says a key twice, or holds what does not survive: numbers beyond 64 bits, NaN, half
            surrogate pairs, NUL characters, more than 64 levels.
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise Rejected.because(
            "manifest_too_large", "manifest", f"The manifest has {len(content):,} bytes; the limit is {MAX_MANIFEST_BYTES:,}.",
            "Split the batch into several manifests.",
        )  # fmt: skip
    try:
        value = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_int=_int64,
            parse_float=_finite,
        )
        _refuse_unstorable(value, MAX_DEPTH)
    except (ValueError, RecursionError) as error:
        raise Rejected.because(
            "manifest_not_json",
            "manifest",
            f"The manifest is not valid JSON: {error}.",
            "Correct the JSON; a linter shows the place.",
        ) from error
    return value


def manifest_schema() -> dict[str, Any]:
    """The manifest's JSON Schema (draft 2020-12), for editors."""
    reads_something = {"anyOf": [{"required": ["files"]}, {"required": ["inputs"]}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Manifest.model_json_schema(), **reads_something}


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for key, value in pairs:
        if key in keys:
            raise ValueError(f"the key {key!r} stands twice in one object")
        keys[key] = value
    return keys


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _int64(digits: str) -> int:
    value = int(digits)
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"the number {digits[:40]} does not fit 64 bits; write it as text")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:40]} is too large; write it as text")
    return value


def _refuse_unstorable(value: Any, levels: int) -> None:
    if isinstance(value, str) and _UNSTORABLE.search(value):
        raise ValueError(f"the text {value[:40]!r} holds a NUL character or half a surrogate pair")
    if not isinstance(value, dict | list):
        return
    if levels == 0:
        raise ValueError(f"objects and lists are nested more than {MAX_DEPTH} levels deep")
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        _refuse_unstorable(key, levels)
        _refuse_unstorable(item, levels - 1)


def _where(location: tuple[int | str, ...]) -> str:
    where = ""
    for part in location:
        name = _cut(part) if isinstance(part, str) else part
        where += f"[{name}]" if isinstance(name, int) else f".{name}" if where else name
    return where or "manifest"


def _reading_order(where: str) -> list[tuple[int, int, str]]:
    """Sorts ``files[2]`` before ``files[10]``, and the manifest's own keys in the order of the model."""
    top = re.split(r"[.\[]", where, maxsplit=1)[0]
    own = [
        *Manifest.__annotations__,
        *Growing.model_fields,
        *Policies.model_fields,
        *WithRules.model_fields,
    ]  # not of model_fields: inherited ones come first there
    rank = own.index(top) if top in own else -1
    return [(rank, 0, "")] + [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"[.\[\]]+", where)]


def _explain_rule(details: ErrorDetails) -> Problem:
    """A validation error of a quality rule, likewise."""
    place, message, remedy = what_is_wrong(details)
    return Problem(code="bad_rule", where=_where(place), message=message, remedy=remedy)


def _explain(details: ErrorDetails) -> Problem:
    """A validation error in the words of a manifest's author."""
    where, kind, given = _where(details["loc"]), details["type"], details["input"]
    name = _cut(str(details["loc"][-1])) if details["loc"] else "manifest"
    context = details.get("ctx", {})
    match kind:
        case "missing":
            code, message, remedy = "missing_key", f"The key {name!r} is missing.", f"Add {name!r}."
        case "extra_forbidden":
            code, message = "unknown_key", f"The key {name!r} is not known here."
            remedy = "Remove it, correct its spelling, or move it under 'metadata', where any key may stand."
        case "enum" | "literal_error":
            code, message = "not_allowed", f"{_shown(given)} is not one of {context.get('expected')}."
            remedy = "Use one of these."
        case "string_pattern_mismatch" if name == "sha256":
            code, message = "bad_sha256", f"{_shown(given)} is no SHA-256 checksum."
            remedy = "Give 64 lower-case hexadecimal digits, or leave it out."
        case "string_pattern_mismatch" if name == "name":
            code, message = "bad_identifier", f"{_shown(given)} cannot be the name of an input."
            remedy = "Use 1 to 32 small letters, digits or '_', beginning with a letter."
        case "string_pattern_mismatch":
            code, message = "bad_identifier", f"{_shown(given)} cannot be used as an identifier."
            remedy = "Use 1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit."
        case "too_short" | "string_too_short":
            remedy = "Write what it is." if details["type"] == "string_too_short" else "Give at least one."
            code, message = "empty", f"{name!r} is empty."
        case "too_long" | "string_too_long":
            code, message, remedy = (
                "too_long",
                f"{name!r} is too long: at most {context.get('max_length')}.",
                "Shorten or split it.",
            )
        case "model_type" | "dict_type":
            code, message, remedy = (
                "wrong_type",
                f"{_shown(given)} stands where an object is expected.",
                "Write an object: {...}.",
            )
        case _:
            expected = details["msg"].removeprefix("Input should be ").removeprefix("a valid ").replace("tuple", "list")
            code, message = "wrong_type", f"{_shown(given)} stands where a {expected} is expected."
            remedy = f"Write a {expected}."
    return Problem(code=code, where=where, message=message, remedy=remedy)


def _shown(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    """What is quoted in a message stays readable, whatever the uploader wrote."""
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - a line's worth


def _cross_checks(raw: Any, landing_bucket: str) -> list[Problem]:
    """Rules that concern more than one key, on whatever of the manifest is well-formed enough."""
    problems: list[Problem] = []
    files = raw.get("files") if isinstance(raw, dict) else None
    seen: dict[tuple[str, Any, Any], int] = {}
    if isinstance(raw, dict):
        problems += input_problems(raw, files if isinstance(files, list) else None)
        problems += growing_problems(raw)
    for index, spec in enumerate(files if isinstance(files, list) else []):
        if not isinstance(spec, dict):
            continue
        where = f"files[{index}]"
        path = spec.get("path")
        if isinstance(path, str) and path:
            try:
                landing_key(path, landing_bucket)
            except ValueError as error:
                problems.append(
                    Problem(code="bad_path", where=f"{where}.path", message=str(error),
                            remedy=f"Upload the file to the landing zone and give its path as s3://{landing_bucket}/<folder>/<file>.")
                )  # fmt: skip
            layer = spec.get("layer")
            name = spec.get("name")
            own = (path, layer if isinstance(layer, str) else None, name if isinstance(name, str) else None)
            first = seen.setdefault(own, index)
            if first != index:
                problems.append(
                    Problem(code="duplicate_file", where=f"{where}.path", message=f"{_shown(path)} is already files[{first}].",
                            remedy="List each file once, or name a different 'layer' in each entry.")
                )  # fmt: skip
        if spec.get("replace_crs") is True and "crs" not in spec:
            problems.append(
                Problem(code="missing_key", where=f"{where}.crs", message="'replace_crs' is given without 'crs'.",
                        remedy="Add 'crs': what the coordinates really refer to.")
            )  # fmt: skip
        problems += _csv_option_problems(spec, f"{where}.options")
    return problems


def _csv_option_problems(spec: dict[str, Any], where: str) -> list[Problem]:
    options = spec.get("options")
    if not isinstance(options, dict):
        return []
    has_x, has_y, has_wkt, has_geometry = (bool(each) for each in (*map(options.get, ("x", "y", "wkt")), spec.get("geometry")))
    found: list[tuple[str, str]] = []
    if has_wkt and has_geometry:
        found.append(("Both 'geometry' of the file and 'wkt' name a column.", "Keep 'geometry'."))
    elif (has_wkt or has_geometry) and (has_x or has_y):
        found.append(
            ("Both a column with geometries and an 'x' or 'y' column are given.", "Keep one way of giving the geometry.")
        )
    elif has_x != has_y:
        given, other = ("x", "y") if has_x else ("y", "x")
        found.append((f"{given!r} is given without {other!r}.", f"Add {other!r}."))
    if isinstance(options.get("header"), int) and options.get("skip_rows"):
        found.append(
            ("Both the line of the 'header' and 'skip_rows' are given.", "Keep 'header': what lies before it is skipped.")
        )
    marks = [(name, options.get(name)) for name in ("decimal", "thousands", "delimiter", "quote", "comment")]
    for index, (name, mark) in enumerate(marks):
        for other, same in marks[:index]:
            if (
                mark and mark == same and not (name == "delimiter" and other in {"decimal", "thousands"})
            ):  # then values are quoted
                found.append((f"{other!r} and {name!r} are the same character, {mark!r}.", "Correct one of them."))
    return [Problem(code="bad_options", where=where, message=message, remedy=remedy) for message, remedy in found]
