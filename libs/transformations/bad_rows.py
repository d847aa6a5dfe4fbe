"""What becomes of rows that cannot be kept as they are, and why those that are set aside are."""

from collections.abc import Sequence
from typing import Literal

from libs.models import Policies
from libs.transformations.plan import DROP, Check, Reason, about_feature

Bad = Literal["geometry", "value"]
"""What may be wrong with a row that a policy is for: ``on_bad_geometry``, ``on_bad_value``."""


class BadRows:
    """The policies for what steps find.

    They hold as long as a row is a feature of the source, which can be given back as it came. What is found after features were
    taken apart or united rejects the batch.

    Args:
        policies: None: every bad row rejects the batch.

    Attributes:
        reasons: Why rows are set aside, so far.
    """

    def __init__(self, policies: Policies | None) -> None:
        self._policies = policies or Policies()
        self.reasons: list[Reason] = []

    def policy(self, bad: Bad) -> Literal["reject", "set_aside", "null"]:
        """What becomes of rows that are bad in some way."""
        policy = self._policies.on_bad_geometry if bad == "geometry" else self._policies.on_bad_value
        return "reject" if policy is None or policy == "fix" else policy  # what steps find has no standard fix

    def drop(self, checks: Sequence[Check], *, may_be_dropped: bool) -> str:
        """A value for ``_etl_drop`` that sets the rows aside that fail a check, for the first of them.

        Args:
            checks: Their predicates can be read where the value is.
            may_be_dropped: Whether ``_etl_drop`` can be read there: rows left out before stay so.
        """
        before = f" WHEN {DROP} IS NOT NULL THEN {DROP}" if may_be_dropped else ""
        first = len(self.reasons) + 1
        self.reasons += [Reason(check.code, about_feature(check.where, check.message)) for check in checks]
        cases = "".join(f" WHEN {check.failing} THEN -{number}" for number, check in enumerate(checks, start=first))
        return f"CASE{before}{cases} END"
