"""What lies beside a file and may belong to it, found without looking at all names of its folder for each file."""

from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path, PurePosixPath


class Siblings:
    """Names of a folder, or keys of many.

    >>> Siblings(["roads.shp", "roads.dbf", "roads2.shp"]).of("roads.shp")
    ['roads.dbf', 'roads.shp']
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)

    def of(self, main: str) -> list[str]:
        """Those that have the name of a file up to its last dot, and what a database calls its logs."""
        suffix = PurePosixPath(main).suffix
        beginnings = (f"{main.removesuffix(suffix)}.",) if suffix else (f"{main}-", f"{main}.")
        found: list[str] = []
        for beginning in beginnings:
            at = bisect_left(self._names, beginning)
            while at < len(self._names) and self._names[at].startswith(beginning):
                found.append(self._names[at])
                at += 1
        return found


class Folders:
    """Folders of a disk, each read once."""

    def __init__(self) -> None:
        self._read: dict[Path, Siblings] = {}

    def beside(self, path: Path) -> list[str]:
        """Names in the folder of a file: see :meth:`Siblings.of`."""
        if path.parent not in self._read:
            self._read[path.parent] = Siblings(each.name for each in path.parent.iterdir())
        return self._read[path.parent].of(path.name)
