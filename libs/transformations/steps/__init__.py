"""The steps that recipes are made of."""

from libs.transformations.steps.base import Step
from libs.transformations.steps.clip import Clip
from libs.transformations.steps.columns import Cast, Rename, Select
from libs.transformations.steps.derive import Buffer, Centroid, Hull, Measure
from libs.transformations.steps.join import Join
from libs.transformations.steps.overlay import ClipBy, Erase, SpatialJoin
from libs.transformations.steps.rows import Deduplicate, Dissolve, Explode, Filter, Summarize
from libs.transformations.steps.shape import Force2d, Repair, Reproject, SetPrecision, Simplify

STEPS: dict[str, type[Step]] = {
    step.model_fields["op"].default: step
    for step in (
        Reproject,
        Repair,
        Simplify,
        SetPrecision,
        Force2d,
        Clip,
        Filter,
        Explode,
        Dissolve,
        Select,
        Rename,
        Cast,
        Join,
        SpatialJoin,
        ClipBy,
        Erase,
        Measure,
        Buffer,
        Centroid,
        Hull,
        Deduplicate,
        Summarize,
    )
}
"""Every step by its ``op``."""

__all__ = ["STEPS", "Step"]
