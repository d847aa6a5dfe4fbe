"""What can be wrong with a manifest in its surroundings: files, formats, CRSs, encodings, the recipe's parameters.

Found before a run is begun, and on whatever of the manifest is well-formed, so that its uploader gets one complete list.
"""

import codecs
import re
from typing import Any

from libs.models import FileType, Problem, Rejected, landing_key, says_no_crs
from libs.models.base import ID_PATTERN
from libs.spatial_utils.crs import require_crs
from libs.spatial_utils.formats import find_format
from libs.storage import LandingZone
from libs.transformations import Registry


def check_surroundings(content: Any, landing: LandingZone, registry: Registry) -> list[Problem]:
    """Everything that is wrong with a manifest beyond itself.

    Args:
        content: Its JSON value, whether or not it makes a manifest.
        landing: Where its files should be.
        registry: Knows what the intent asks for.
    """
    if not isinstance(content, dict):
        return []
    problems: list[Problem] = []
    files = content.get("files")
    for index, spec in enumerate(files if isinstance(files, list) else []):
        if isinstance(spec, dict):
            problems += _file_problems(
                {key: value for key, value in spec.items() if isinstance(value, str)}, f"files[{index}]", landing
            )
    metadata = content.get("metadata")
    if isinstance(metadata, dict):
        problems += _name_problems(metadata.get("dataset_id"))
    intent, parameters = content.get("intent"), content.get("parameters", {})
    if isinstance(intent, str) and isinstance(parameters, dict):
        recipe, _ = registry.for_intent(intent)
        try:
            recipe.bind(parameters)
        except Rejected as rejection:
            problems += rejection.problems
    return problems


def _name_problems(dataset_id: Any) -> list[Problem]:
    if dataset_id is None or (isinstance(dataset_id, str) and re.fullmatch(ID_PATTERN, dataset_id)):
        return []
    return [
        Problem(code="bad_identifier", where="metadata.dataset_id", message=f"{dataset_id!r} cannot be used as an identifier.",
                remedy="Use 1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit.")
    ]  # fmt: skip


def _file_problems(spec: dict[str, str], where: str, landing: LandingZone) -> list[Problem]:
    problems: list[Problem] = []
    raster = spec.get("type") == FileType.RASTER
    if raster:
        problems.append(
            Problem(code="raster_not_read", where=f"{where}.type", message="Rasters are not processed by this version.",
                    remedy="Take the file out of the manifest; vector files and tables are processed.")
        )  # fmt: skip
    try:
        if spec.get("format") and not raster:
            find_format(spec["format"], f"{where}.format")
    except Rejected as rejection:
        problems += rejection.problems
    try:
        if spec.get("crs") and not says_no_crs(spec["crs"]):
            require_crs(spec["crs"], f"{where}.crs")
    except Rejected as rejection:
        problems += rejection.problems
    try:
        codecs.lookup(spec.get("encoding", "utf-8"))
    except LookupError:
        problems.append(
            Problem(code="unknown_encoding", where=f"{where}.encoding", message=f"{spec['encoding']!r} is no character encoding.",
                    remedy="Write a common name: UTF-8, ISO-8859-1, windows-1252, cp437, Shift_JIS, ...")
        )  # fmt: skip
    if spec.get("path"):
        problems += _path_problems(spec["path"], f"{where}.path", landing)
    return problems


def _path_problems(path: str, where: str, landing: LandingZone) -> list[Problem]:
    try:
        key = landing_key(path, landing.bucket)
    except ValueError:
        return []  # the manifest's own parsing has said it
    try:
        if landing.resolve(key):
            return []
    except Rejected as rejection:
        return [problem.model_copy(update={"where": where}) for problem in rejection.problems]
    return [landing.missing(key, where)]
