"""Manifests that were answered and still lie there, because they may not be read or removed."""

from time import monotonic

from libs.models import Problem, Report

AGAIN = 60.0
"""Seconds after which such a manifest is tried again: rights to it may have changed, and no time of the object tells."""


class Left:
    """What a process remembers of them. It tells of each once, and they take no time from those that can be dealt with."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[str, tuple[Problem, ...], float]] = {}

    def is_due(self, key: str, state: str) -> bool:
        """Whether to look at a manifest.

        Args:
            key: The manifest.
            state: Its version, or why it is not read.
        """
        known = self._left.get(key)
        return known is None or known[0] != state or monotonic() >= known[2]

    def note(self, key: str, state: str, report: Report) -> bool:
        """Remember a manifest that stays. Returns whether the report says anything new."""
        known, said = self._left.get(key), (*report.problems, *report.warnings)
        self._left[key] = state, said, monotonic() + AGAIN
        return known is None or known[:2] != (state, said)
