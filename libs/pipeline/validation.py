"""The one pass of validation: a manifest in its surroundings, which are files, formats, CRSs, encodings and the recipe.

It runs before a run begins, on every part of the manifest that is well-formed, so that the uploader gets one complete list. What
it has found on the way, the bound recipe and the files, is handed on to the run: nothing is parsed, bound or looked up again.
"""

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from libs.models import FileType, Manifest, ParsedManifest, Problem, Rejected, lake_key, landing_key, rules_of, says_no_crs
from libs.models.base import ID_PATTERN
from libs.pipeline.batch_files import BatchFiles
from libs.pipeline.lake_inputs import pin
from libs.pipeline.named_inputs import named_problems
from libs.pipeline.namesakes import Names, names_of
from libs.pipeline.ownership import POLICIES
from libs.pipeline.stack import Stack
from libs.spatial_utils.crs import require_crs
from libs.spatial_utils.formats import Format, find_format
from libs.transformations import INGEST_RASTER, Recipe, Registry
from libs.transformations.builtin import DEFAULT


@dataclass(frozen=True)
class ValidBatch:
    """A batch in which no problem was found.

    Attributes:
        manifest: The manifest, with the files of the versions that it reads among its own.
        recipe: With its parameters bound.
        intent_known: Whether the recipe is that of the intent, and not the default one.
        files: The files of the manifest in the landing zone.
        names: Of its datasets, as far as they are known.
    """

    manifest: Manifest
    recipe: Recipe
    intent_known: bool
    files: BatchFiles
    names: Names = Names()  # noqa: RUF009 - frozen

    @property
    def bytes(self) -> int:
        """Bytes to read from the landing zone: each entry counts its file, sidecars aside."""
        paths = [spec.path for spec in self.manifest.files if lake_key(spec.path) is None]
        keys = [landing_key(path, self.files.landing.bucket) for path in paths]
        return sum(info.size for key in keys for info in self.files.resolve(key))


class Validation:
    """The validation of one manifest.

    Args:
        parsed: The manifest, whether or not it has problems in itself.
        stack: Where its files should be, what knows the recipe of its intent and the datasets that are there, and settings.

    Attributes:
        batch: What is handed on; None before :meth:`problems` was called, and when there are problems.
    """

    def __init__(self, parsed: ParsedManifest, stack: Stack) -> None:
        self._parsed, self._stack = parsed, stack
        self._files = BatchFiles(stack.landing, _keys(parsed.value, stack.landing.bucket), stack.past_lake or stack.lake)
        self.batch: ValidBatch | None = None

    def problems(self) -> list[Problem]:
        """Everything that is wrong with the manifest beyond itself."""
        content = self._parsed.value
        if not isinstance(content, dict):
            return []
        problems: list[Problem] = []
        files = content.get("files")
        for index, spec in enumerate(files if isinstance(files, list) else []):
            if isinstance(spec, dict):
                texts = {key: value for key, value in spec.items() if isinstance(value, str)}
                problems += _file_problems(texts, f"files[{index}]", self._files)
        metadata = content.get("metadata")
        if isinstance(metadata, dict):
            problems += _name_problems(metadata.get("dataset_id"))
        recipe, intent_known, recipe_problems = self._bound(content)
        problems += recipe_problems
        manifest = self._parsed.manifest
        if manifest is not None and recipe is not None:
            problems += [*_steps_problems(manifest, recipe), *named_problems(manifest, recipe)]
            problems += _rules_problems(manifest, recipe)
            manifest, unknown = pin(manifest, self._stack.past)
            problems += unknown
            names = names_of(manifest, recipe, self._stack.past, POLICIES[self._stack.settings.spatial_etl_owners])
            problems += names.problems
            if not problems:
                self.batch = ValidBatch(manifest, recipe, intent_known, self._files, names)
        return problems

    def _bound(self, content: dict[str, Any]) -> tuple[Recipe | None, bool, list[Problem]]:
        """The recipe of the intent with the manifest's parameters; whether the intent is known; and what is wrong with these."""
        intent, parameters = content.get("intent"), content.get("parameters", {})
        if not isinstance(intent, str) or not isinstance(parameters, dict):
            return None, False, []
        is_default = False
        try:
            recipe, is_default = self._stack.registry.for_intent(intent)
            if is_default and self._stack.settings.spatial_etl_unknown_intent == "reject":
                return None, False, [unknown_intent(intent, self._stack.registry)]
            return recipe.bind(parameters), not is_default, []
        except Rejected as rejection:
            return None, not is_default, [*rejection.problems]


def unknown_intent(intent: str, registry: Registry, applied: Recipe | None = None) -> Problem:
    """The problem of an intent that no recipe has; the warning, where another recipe was applied."""
    similar = registry.similar(intent)
    meant = f'Did you mean {similar!r}? Then write "intent": "{similar}" in the manifest. ' if similar else ""
    return Problem(
        code="unknown_intent",
        where="intent",
        message=f"There is no recipe for the intent {intent!r}"
        + (f"; the recipe {applied.name!r} was applied." if applied else "."),
        remedy=f"{meant}See 'spatial-etl recipes' for what an intent can be.",
    )


def _keys(content: Any, bucket: str) -> Iterator[str]:
    """Keys of the files that a manifest names, as far as it is well-formed."""
    files = content.get("files") if isinstance(content, dict) else None
    for spec in files if isinstance(files, list) else []:
        path = spec.get("path") if isinstance(spec, dict) else None
        if isinstance(path, str):
            with suppress(ValueError):  # the manifest's own parsing has said it
                yield landing_key(path, bucket)


def _name_problems(dataset_id: Any) -> list[Problem]:
    if dataset_id is None or (isinstance(dataset_id, str) and re.fullmatch(ID_PATTERN, dataset_id)):
        return []
    return [
        Problem(code="bad_identifier", where="metadata.dataset_id", message=f"{dataset_id!r} cannot be used as an identifier.",
                remedy="Use 1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit.")
    ]  # fmt: skip


def _file_problems(spec: dict[str, str], where: str, files: BatchFiles) -> list[Problem]:
    problems: list[Problem] = []
    try:
        if spec.get("format"):
            problems += _type_problems(spec, _format_of(spec, where), where)
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
        problems += _path_problems(spec["path"], f"{where}.path", files)
    return problems


def _steps_problems(manifest: Manifest, recipe: Recipe) -> list[Problem]:
    """What somebody asks for by name must not be left undone: steps are for features, or for rasters."""
    if not recipe.steps or recipe.name == DEFAULT:
        return []
    if recipe.for_rasters:
        code, kept, intent = "recipe_not_for_features", f"The recipe {recipe.name!r} has steps for rasters.", DEFAULT
    else:
        code, kept = "recipe_not_for_rasters", f"The recipe {recipe.name!r} has steps for features. A raster is kept as it is."
        intent = INGEST_RASTER.name
    return [
        Problem(
            code=code, where=f"files[{index}].type", message=kept,
            remedy=f'Deliver this file in a batch of its own, with "intent": "{intent}".',
        )
        for index, spec in manifest.main_files.items()
        if (spec.type is FileType.RASTER) != recipe.for_rasters
    ]  # fmt: skip


def _rules_problems(manifest: Manifest, recipe: Recipe) -> list[Problem]:
    """Rules are for features: what somebody asks to be checked must not be left unchecked for a raster."""
    return [
        Problem(
            code="bad_rule", where=f"files[{index}].type", message="Quality rules are for features, and this is a raster.",
            remedy="Deliver rasters in a batch of their own, without 'rules'.",
        )
        for index, spec in enumerate(manifest.files)
        if spec.type is FileType.RASTER and rules_of(spec, manifest, recipe)
    ]  # fmt: skip


def _format_of(spec: dict[str, str], where: str) -> Format:
    return find_format(spec["format"], f"{where}.format", raster=spec.get("type") == FileType.RASTER)


def _type_problems(spec: dict[str, str], kind: Format, where: str) -> list[Problem]:
    """Whether a file of a format can be of the type that the manifest says."""
    if "type" not in spec or (spec["type"] == FileType.RASTER) == kind.raster:
        return []
    right = "raster" if kind.raster else "vector"
    return [
        Problem(
            code="format_mismatch", where=f"{where}.type",
            message=f"The format {kind.name} holds {'a raster' if kind.raster else 'features'}, not {spec['type']!r}.",
            remedy=f'Write "type": "{right}", or correct \'format\'.',
        )
    ]  # fmt: skip


def _path_problems(path: str, where: str, files: BatchFiles) -> list[Problem]:
    try:
        key = landing_key(path, files.landing.bucket)
    except ValueError:
        return []  # the manifest's own parsing has said it
    try:
        if files.resolve(key):
            return []
    except Rejected as rejection:
        return [problem.model_copy(update={"where": where}) for problem in rejection.problems]
    return [files.missing(key, where)]
