"""Whether a new version belongs to the dataset: how it differs from the version before, and what a policy says to that.

What is compared stands in the records of both: no file is read again.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from libs.column_names import RESERVED_NAMES
from libs.models import (
    Asset,
    BBox,
    Owner,
    Problem,
    RasterSummary,
    Rejected,
    Reservation,
    TableSummary,
    VectorSummary,
    shortened,
)
from libs.models.policies import ChangePolicy
from libs.pipeline import ownership
from libs.pipeline.datasets import MadeDataset

FEW = 10
"""A version has far fewer features when that many times as many are not more than the one before had."""

_NAMED = 8
"""Columns that a message names, of those that changed in one way."""


class Difference(NamedTuple):
    """Something in which a version differs from the one before."""

    aspect: str
    """A field of :class:`~libs.models.policies.OnChange`; or ``owner``, of which a setting decides."""
    code: str
    message: str
    remedy: str = ""
    """Empty: to allow it, to refuse it, to go back."""


@dataclass(frozen=True)
class Delivered:
    """A new version of a dataset, and what is known beside its records.

    Attributes:
        policies: What becomes of each thing that may differ.
        by: Who delivers it.
        named: Whether somebody gave it its identifier: then the names of files do not matter.
        namesake: Another dataset whose identifier differs by case alone, where the dataset is new.
    """

    dataset: MadeDataset
    policies: Mapping[str, ChangePolicy]
    by: Owner
    named: bool
    namesake: str | None = None


def follow(delivered: Iterable[Delivered], before: Mapping[str, Asset], others: Mapping[str, Owner]) -> list[Problem]:
    """Hold new versions against those before them.

    Args:
        delivered: New versions.
        before: The version before, by dataset; those that have none are left out.
        others: The owners of datasets that are not the deliverer's, see :func:`libs.pipeline.ownership.of_others`.

    Returns:
        Warnings.

    Raises:
        Rejected: with all differences that a policy refuses.
    """
    refused: list[Problem] = []
    warnings: list[Problem] = []
    for each in delivered:
        identifier = each.dataset.dataset_id
        for difference in _differences(each, before.get(identifier), others.get(identifier)):
            policy = each.policies[difference.aspect]
            if policy != "allow":
                remedy = difference.remedy or _remedy(difference.aspect, before[identifier], refused=policy == "reject")
                problem = Problem(code=difference.code, where=f"dataset {identifier}", message=difference.message, remedy=remedy)
                (refused if policy == "reject" else warnings).append(problem)
    if refused:
        raise Rejected(shortened(refused))
    return warnings


def names_fall_together(name: str, title: str | None) -> bool:
    """Whether two names of files or layers that make the same identifier are not the same name, but for case."""
    return title is not None and name.casefold() != title.casefold()


def other_title(name: str, last: Asset) -> Difference:
    """The difference between two names that make the same identifier."""
    message = f"It is called {name!r}, and {last.id} {last.title!r}: both names make the same identifier."
    return Difference("name", "other_title", message, _same_or_other(last.dataset_id, last.dataset_id))


def other_case(identifier: str, other: str) -> Difference:
    """The difference between a new identifier and that of another dataset, which is case alone."""
    message = f"It would be the new dataset {identifier!r}, beside the dataset {other!r}: only case tells them apart."
    return Difference("name", "dataset_id_case", message, _same_or_other(other, identifier))


def of_another(dataset_id: str, owner: Owner, by: Owner) -> Difference:
    """The difference between who owns a dataset and who delivers it."""
    return Difference("owner", "owned_by_another", *ownership.said(dataset_id, owner, by))


def _same_or_other(same: str, other: str) -> str:
    known = f'If it is the same dataset, write "dataset_id": "{same}" for this file in the manifest.'
    return f'{known} If it is another one, write "dataset_id": "{other}_2" for this file in the manifest.'


def not_compared(pending: Iterable[Reservation]) -> list[Problem]:
    """Warnings of versions with lower numbers that other runs are making at this moment."""
    return [
        Problem(
            code="version_not_compared", where=f"dataset {each.dataset_id}",
            message=f"The run {each.run_id} makes version {each.version} at the same time. This one was not compared with it.",
            remedy=f"Compare them when both are there: 'spatial-etl show {each.id}' and 'spatial-etl show {each.dataset_id}'.",
        )
        for each in pending
    ]  # fmt: skip


def _remedy(aspect: str, last: Asset, *, refused: bool) -> str:
    if refused:
        other = f'If it is another dataset, write "dataset_id": "{last.dataset_id}_2".'
        return f"If it is meant: {_policy(aspect, 'allow')}. {other}"
    back = f"If it is not meant, 'spatial-etl make-current {last.id}' goes back."
    return f"{back} To have it refused: {_policy(aspect, 'reject')}."


def _policy(aspect: str, policy: ChangePolicy) -> str:
    """A policy as it is written."""
    return f'write "on_change": {{"{aspect}": "{policy}"}} in the manifest'


def _differences(each: Delivered, last: Asset | None, owner: Owner | None) -> Iterable[Difference]:
    """In which a version differs from the last one. A kind that this release does not know is compared by its name alone."""
    if each.namesake is not None:
        yield other_case(each.dataset.dataset_id, each.namesake)
    if owner is not None:
        yield of_another(each.dataset.dataset_id, owner, each.by)
    if last is None:
        return
    now, title = each.dataset.summary, each.dataset.title
    if title and not each.named and names_fall_together(title, last.title):
        yield other_title(title, last)
    if now.kind != last.kind:
        yield Difference("kind", "kind_changed", f"It is a {_kind(now.kind)}; {last.id} is a {_kind(last.kind)}.")
    if isinstance(now, RasterSummary):
        if isinstance(last.summary, RasterSummary):
            yield from _pixels(now, last.summary, last.id)
            yield from _places(now, last)
    elif last.kind in {"table", "vector"}:
        yield from _contents(now, last)


def _contents(now: TableSummary | VectorSummary, last: Asset) -> Iterable[Difference]:
    if columns := _columns(now, last):
        yield Difference("columns", "columns_changed", f"Other columns than in {last.id}: {columns}.")
    if (last.features or 0) > 0 and now.features * FEW <= (last.features or 0):
        message = f"It has {now.features:,} features; {last.id} has {last.features:,}."
        yield Difference("features", "far_fewer_features", message)
    if isinstance(now, VectorSummary) and last.has_geometry:
        yield from _places(now, last)


def _pixels(now: RasterSummary, then: RasterSummary, last: str) -> Iterable[Difference]:
    if (now.width, now.height) != (then.width, then.height):
        message = f"It has {now.width:,} x {now.height:,} pixels; {last} has {then.width:,} x {then.height:,}."
        yield Difference("pixels", "pixels_changed", message)
    bands, before = ([band.type for band in each.bands] for each in (now, then))
    if bands != before:
        message = f"Its bands are {_list(bands)}; those of {last} are {_list(before)}."
        yield Difference("pixels", "bands_changed", message)


def _places(now: VectorSummary | RasterSummary, last: Asset) -> Iterable[Difference]:
    if now.crs != last.crs:
        message = f"It has the CRS {_crs(now.crs)}; {last.id} has {_crs(last.crs)}."
        yield Difference("crs", "crs_changed", message)
    elif now.bbox and last.bbox and _apart(now.bbox, last.bbox):
        message = f"Its extent {_box(now.bbox)} lies apart from that of {last.id}, {_box(last.bbox)}."
        yield Difference("extent", "extent_elsewhere", message)
    if isinstance(now, RasterSummary):
        return
    then = {*last.geometry_types}
    new, gone = {*now.geometry_types} - then, {*map(_base, then)} - {*map(_base, now.geometry_types)}
    if now.features and then and (new or gone):  # one without features has none of either
        message = f"It has {_list(now.geometry_types)}; {last.id} has {_list(last.geometry_types)}."
        yield Difference("geometry_types", "geometry_types_changed", message)


def _columns(now: TableSummary | VectorSummary, last: Asset) -> str:
    """What became of the columns, in words; empty when they are the same. Those of the platform go with the kind."""
    then = {field.name: field.type for field in last.table_schema if field.name not in RESERVED_NAMES}
    today = {field.name: field.type for field in now.table_schema if field.name not in RESERVED_NAMES}
    new = [f"{name} ({kind})" for name, kind in today.items() if name not in then]
    other = [f"{name} ({kind}, was {then[name]})" for name, kind in today.items() if then.get(name, kind) != kind]
    told = (("new", new), ("gone", [name for name in then if name not in today]), ("of another type", other))
    return "; ".join(f"{how}: {_list(names)}" for how, names in told if names)


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more or "none"


def _crs(crs: str | None) -> str:
    """A CRS by its code; one in WKT by its name."""
    named = re.match(r'\w+\["([^"]*)"', crs or "")
    return f"{named[1]!r}, in WKT" if named else crs or "none"


def _kind(kind: str) -> str:
    return "layer with geometry" if kind == "vector" else kind


def _base(geometry_type: str) -> str:
    """One and many of a kind are the same: which of them a file has is chance."""
    return geometry_type.removeprefix("Multi")


def _apart(one: BBox, other: BBox) -> bool:
    """Whether two extents have no point in common. One that crosses the antimeridian is not looked at from west to east."""
    (xmin, ymin, xmax, ymax), (left, low, right, high) = one, other
    crosses = xmin > xmax or left > right
    return ymax < low or high < ymin or (not crosses and (xmax < left or right < xmin))


def _box(box: BBox) -> str:
    return f"({', '.join(f'{side:.7g}' for side in box)})"
