"""Names that fall together, told before a file is read: of two files of a batch, or of a file and a dataset that is there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from libs.ledger import Records
from libs.models import FileSpec, Manifest, Policies, Problem, Rejected
from libs.models.policies import ChangePolicy, effective, on_change
from libs.pipeline.naming import dataset_id, title
from libs.pipeline.ownership import deliverer, of_others
from libs.pipeline.succession import Difference, names_fall_together, of_another, other_case, other_title
from libs.spatial_utils.formats import find_format

_PATTERN = frozenset("*?")


@dataclass(frozen=True)
class Names:
    """The names of the datasets that a batch would make, as far as its manifest tells.

    What a file of several layers becomes is known when it has been read: such names are looked at then.

    Attributes:
        expected: Identifiers that were looked at.
        problems: What is wrong with them.
        warnings: What is to be told of them.
    """

    expected: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def names_of(manifest: Manifest, recipe: Policies, past: Records, owners: ChangePolicy = "allow") -> Names:
    """Look at the names of a batch, and at whose datasets they are.

    Args:
        manifest: Well-formed.
        recipe: Says which of them are refused, where the manifest does not.
        past: Knows the datasets that are there.
        owners: What becomes of a delivery to another's dataset.
    """
    ids = {index: name for index, spec in manifest.main_files.items() if (name := _expected(manifest, spec))}
    problems, warnings = [*_within(manifest, ids)], list[Problem]()
    expected = frozenset(ids.values())
    current = past.current(expected) if expected else {}
    others = past.namesakes(expected - current.keys())
    by = deliverer(manifest)
    # where it is not refused, a warning is given when the version has been made, as for files of several layers
    foreign = of_others(past, current, by) if owners == "reject" else {}
    for index, identifier in ids.items():
        spec, last = manifest.files[index], current.get(identifier)
        found = [other_case(identifier, others[identifier])] if identifier in others else []
        if last and not _is_named(manifest, spec):
            called = title(spec, spec.layer or "", only_layer=spec.layer is None)
            found += [other_title(called, last)] if names_fall_together(called, last.title) else []
        policy = on_change(effective(spec, manifest, recipe))["name"] if found else "allow"
        told = [_problem(each, index) for each in found]
        problems += told if policy == "reject" else []
        problems += [_problem(of_another(identifier, foreign[identifier], by), index)] if identifier in foreign else []
        warnings += [each for each in told if each.code == "dataset_id_case"] if policy == "warn" else []
    return Names(expected, tuple(problems), tuple(warnings))


def _within(manifest: Manifest, ids: Mapping[int, str]) -> Iterable[Problem]:
    """Files of one batch whose names fall together. Those that are given the same identifier are appended."""
    first: dict[str, int] = {}
    for index, identifier in ids.items():
        earlier = first.setdefault(identifier.casefold(), index)
        both = manifest.files[earlier], manifest.files[index]
        if earlier == index or (ids[earlier] == identifier and all(_is_named(manifest, spec) for spec in both)):
            continue
        names = " and ".join(f"files[{each}] ({_name(manifest.files[each])})" for each in (earlier, index))
        same = ids[earlier] == identifier
        made = f"the dataset {identifier!r}" if same else f"{ids[earlier]!r} and {identifier!r}, which only case tells apart"
        yield Problem(
            code="dataset_id_taken", where=f"files[{index}].path", message=f"{names} would become {made}.",
            remedy="In a manifest, give each file a name of its own, or both the same, to append them. Or deliver this one by "
            f'itself: write "dataset_id": "{identifier}_2" for this file in the manifest.',
        )  # fmt: skip


def _expected(manifest: Manifest, spec: FileSpec) -> str | None:
    """The identifier of the one dataset that a file becomes; None where only reading it tells."""
    if spec.dataset_id is not None:
        return spec.dataset_id
    named = manifest.metadata.get("dataset_id")
    if len(manifest.main_files) == 1 and isinstance(named, str):
        return named if _has_one_layer(spec) or _is_one_layer(spec) else None
    if _is_one_layer(spec):
        return dataset_id(manifest, spec, spec.layer or "", only_layer=False)
    return dataset_id(manifest, spec, "", only_layer=True) if spec.layer is None and _has_one_layer(spec) else None


def _is_one_layer(spec: FileSpec) -> bool:
    return spec.layer is not None and not _PATTERN & {*spec.layer}


def _has_one_layer(spec: FileSpec) -> bool:
    """Whether there is one layer in a file of this format; an archive may hold several files."""
    try:
        found = find_format(spec.format, "format")
    except Rejected:
        return False
    return found.has_one_layer and PurePosixPath(spec.path).suffix.lower() in found.extensions


def _problem(difference: Difference, index: int) -> Problem:
    where = f"files[{index}].path"
    return Problem(code=difference.code, where=where, message=difference.message, remedy=difference.remedy)


def _is_named(manifest: Manifest, spec: FileSpec) -> bool:
    """Whether somebody gave a file's dataset its identifier: then the file's name does not matter."""
    return spec.dataset_id is not None or (len(manifest.main_files) == 1 and manifest.metadata.get("dataset_id") is not None)


def _name(spec: FileSpec) -> str:
    """The name of a file as it was uploaded, and of its layer."""
    name = PurePosixPath(spec.path).name
    return f"{name!r}" if spec.layer is None else f"{name!r}, layer {spec.layer!r}"
