"""One stage of a statement under construction: what :class:`libs.transformations.query.Query` extends."""

from dataclasses import dataclass, field

from libs.transformations.plan import ROW, Check


@dataclass
class Statement:
    """One stage under construction.

    Attributes:
        source: Table that it reads.
        columns: Attribute columns of the open SELECT: name and expression.
        geometry: Expression of its geometry.
        marks: Its columns for the plan's own use.
        scratch: Further ones, which the SELECT after the next does not have.
        tail: What follows its FROM.
        chain: The SELECTs before it, by name.
        order: Marks that give the source order of rows.
        stale: Whether rows have been left out that still have their geometry.
        nulled: Whether rows of ``geometry_hidden_by`` are in the result, without their geometry.
        counts: Slot, predicate, amount, its prefilter, and how much of ``order`` there was when it was set.
        refused: Marks that reject the batch.
        geometry_hidden_by: Those of them whose rows still have their geometry.
        checks: And how much of ``order`` there was when each was set.
    """

    source: str
    columns: dict[str, str]
    geometry: str | None
    marks: dict[str, str]
    scratch: dict[str, str] = field(default_factory=dict)
    tail: str = ""
    chain: list[tuple[str, str]] = field(default_factory=list)
    order: tuple[str, ...] = (ROW,)
    stale: bool = False
    nulled: bool = False
    counts: list[tuple[str, str, str, str | None, int]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    geometry_hidden_by: list[str] = field(default_factory=list)
    checks: list[tuple[Check, int]] = field(default_factory=list)
