"""The profile of a version, and what drifted since another one. Made from the files in the lake, which never change."""

import math
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from libs.compute.profiling import Ends, geometry_profile, value_profiles
from libs.compute.whole import database
from libs.models import Asset, Rejected
from libs.models.profile import Drift, ValueProfile, VersionProfile
from libs.pipeline.lake_files import fetched
from libs.pipeline.scratch import run_folder
from libs.pipeline.stack import Stack

EXACT = 1_000_000
"""Features up to which distinct values are counted; of more they are estimated."""
SHARE = 0.05
"""Of the features: a share that differs by less is no drift."""
INDEX = 0.2
"""Population stability index above which a distribution counts as another one, as is usual."""
_ENOUGH = 100
"""Values from which on their distribution says something."""
_FEW = 1e-4
"""Stands for a share of nothing: its logarithm has to be a number."""


def profiles(stack: Stack, asset: Asset, before: Asset | None = None) -> tuple[VersionProfile, VersionProfile | None]:
    """The profile of a version, and of one to compare it with, whose histograms have the same bins.

    Raises:
        Rejected: for a version without features, and where a file in the lake is not as recorded.
    """
    with run_folder(stack.scratch, f"profile-{secrets.token_hex(6)}") as folder:
        then = _profile(stack, before, folder / "before") if before is not None else None
        ends: Ends = {each.name: each.ends for each in then.columns if each.ends} if then else {}
        return _profile(stack, asset, folder / "now", ends), then


def _profile(stack: Stack, asset: Asset, folder: Path, ends: Ends | None = None) -> VersionProfile:
    if asset.features is None:
        raise Rejected.because(
            "no_features", asset.id, f"It is a {asset.kind}, which has no columns to look at.",
            f"'spatial-etl show {asset.id}' has its facts.",
        )  # fmt: skip
    paths = fetched(stack.lake, asset, folder)
    with closing(database(folder / "spilled", stack.settings.spatial_etl_memory_mb)) as connection:
        connection.execute("SET enable_geoparquet_conversion = false; SET TimeZone = 'UTC'")
        columns = value_profiles(connection, paths, exact=asset.features <= EXACT, ends=ends)
    return VersionProfile(
        id=asset.id,
        features=asset.features,
        distinct_is_estimated=asset.features > EXACT,
        columns=columns,
        geometry=geometry_profile(paths),
    )


def drift(now: VersionProfile, then: VersionProfile) -> list[Drift]:
    """What is not as it was, of two profiles with the same bins."""
    return [*_of_features(now, then), *_of_columns(now, then), *_of_geometries(now, then)]


def _of_features(now: VersionProfile, then: VersionProfile) -> Iterator[Drift]:
    if abs(now.features - then.features) > SHARE * then.features:
        yield Drift(where="features", message=f"{then.features:,} then, {now.features:,} now")


def _of_columns(now: VersionProfile, then: VersionProfile) -> Iterator[Drift]:
    before = {each.name: each for each in then.columns}
    for each in now.columns:
        if (was := before.pop(each.name, None)) is None:
            yield Drift(where=each.name, message=f"new: {each.type}")
        elif was.type != each.type:
            yield Drift(where=each.name, message=f"{was.type} then, {each.type} now")
        else:
            yield from _of_values(each, was, now.features, then.features)
    yield from (Drift(where=name, message="gone") for name in before)


def _of_values(now: ValueProfile, then: ValueProfile, features: int, before: int) -> Iterator[Drift]:
    shares = [each.nulls / count if count else 0.0 for each, count in ((then, before), (now, features))]
    if abs(shares[1] - shares[0]) > SHARE:
        yield Drift(where=now.name, message=f"nulls: {shares[0]:.1%} then, {shares[1]:.1%} now")
    index = _index(then.histogram, now.histogram) if then.histogram and now.histogram else None
    if index is not None and index > INDEX:
        yield Drift(
            where=now.name,
            message=f"another distribution (stability index {index:.2f}): {then.least} to {then.most} then, "
            f"{now.least} to {now.most} now",
        )
    if then.frequent and now.frequent:
        known = dict(then.frequent)
        for value, count in now.frequent:
            was, share = known.get(value, 0) / max(before, 1), count / max(features, 1)
            if share - was > SHARE:
                yield Drift(where=now.name, message=f"{value!r}: {was:.1%} then, {share:.1%} now")


def _index(then: Sequence[int], now: Sequence[int]) -> float | None:
    """Population stability index of two histograms with the same bins; None where one has too few values."""
    if min(sum(then), sum(now)) < _ENOUGH:
        return None
    shares = ((max(one / sum(then), _FEW), max(other / sum(now), _FEW)) for one, other in zip(then, now, strict=True))
    return sum((other - one) * math.log(other / one) for one, other in shares)


def _of_geometries(now: VersionProfile, then: VersionProfile) -> Iterator[Drift]:
    if now.geometry is None or then.geometry is None:
        return
    for kind in sorted(now.geometry.types.keys() | then.geometry.types.keys()):
        was, share = (
            then.geometry.types.get(kind, 0) / max(then.features, 1),
            now.geometry.types.get(kind, 0) / max(now.features, 1),
        )
        if abs(share - was) > SHARE:
            yield Drift(where="geom", message=f"{kind}: {was:.1%} then, {share:.1%} now")
    pairs = (
        ("without geometry", then.geometry.missing, now.geometry.missing),
        ("empty", then.geometry.empty, now.geometry.empty),
    )
    for what, before, count in pairs:
        if abs(count / max(now.features, 1) - before / max(then.features, 1)) > SHARE:
            yield Drift(where="geom", message=f"{what}: {before:,} then, {count:,} now")
    each = [profile.geometry.vertices / max(profile.features, 1) for profile in (then, now) if profile.geometry]
    if each[0] and not 0.5 <= each[1] / each[0] <= 2:  # noqa: PLR2004 - half, or twice
        yield Drift(where="geom", message=f"vertices of a feature: {each[0]:,.1f} then, {each[1]:,.1f} now")
