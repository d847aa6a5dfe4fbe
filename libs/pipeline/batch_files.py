"""The files of one batch in the landing zone: each is looked up once, each folder is listed once."""

from libs.models import Problem
from libs.models.manifest import MAX_PROBLEMS
from libs.storage import LandingZone, ObjectInfo

SIMILAR = 20
"""Missing files of a batch for which similar names are looked for: among thousands of names, each search takes 0.2 s."""


class BatchFiles:
    """What lies in the landing zone for a batch, remembered from its checks to its staging.

    Args:
        landing: Where the files lie.
    """

    def __init__(self, landing: LandingZone) -> None:
        self.landing = landing
        self._found: dict[str, list[ObjectInfo]] = {}
        self._folders: dict[str, list[ObjectInfo]] = {}
        self._missing = 0

    def resolve(self, key: str) -> list[ObjectInfo]:
        """The object under a key, or all objects of the folder ``key/`` (a FileGDB); empty when there is nothing.

        Raises:
            Rejected: when something lies there that is not read.
        """
        if key not in self._found:
            self._found[key] = self.landing.resolve(key)
        return self._found[key]

    def siblings(self, key: str) -> list[ObjectInfo]:
        """The objects in the folder of a key, where sidecars lie."""
        folder = key.rpartition("/")[0]
        if folder not in self._folders:
            self._folders[folder] = self.landing.siblings(key)
        return self._folders[folder]

    def missing(self, key: str, where: str) -> Problem:
        """What to tell an uploader whose file is not there. Names what is probably meant where that will be shown."""
        self._missing += 1
        siblings = self.siblings(key) if self._missing <= MAX_PROBLEMS else ()
        return self.landing.missing(key, where, siblings, similar=self._missing <= SIMILAR)
