"""Which of many names was probably meant by one that is not there. The cost for a name hardly grows with their number."""

import unicodedata
from bisect import bisect_left
from collections.abc import Iterable

_NEAR = 100
"""Names before and behind a wrong one with which it is compared, in the order of their beginnings, and in that of their ends: a
slip of the keyboard leaves one of the two as it was."""


class Names:
    """The names of a folder.

    Args:
        names: The names, or whole keys.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)
        self._ends = sorted(name[::-1] for name in self._names)
        self._alike: dict[str, str] = {}
        for name in self._names:
            self._alike.setdefault(_alike(name), name)

    def meant(self, wrong: str, *, similar: bool) -> str | None:
        """The name that was probably meant: the same in other letters or accents, or else the most similar one.

        Args:
            wrong: The name that is not there.
            similar: Whether to look for a similar one.
        """
        same = self._alike.get(_alike(wrong))
        if same is not None or not similar:
            return same
        from difflib import get_close_matches

        at, end = bisect_left(self._names, wrong), bisect_left(self._ends, wrong[::-1])
        near = self._names[max(at - _NEAR, 0) : at + _NEAR]
        near += (name[::-1] for name in self._ends[max(end - _NEAR, 0) : end + _NEAR])
        return next(iter(get_close_matches(wrong, dict.fromkeys(near), n=1)), None)


def _alike(name: str) -> str:
    """The same for names that look the same: case aside, and whether accents are composed (macOS takes them apart)."""
    return unicodedata.normalize("NFC", name).casefold()
