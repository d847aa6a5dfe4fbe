"""The files of one batch in the landing zone: each is looked up once, each folder is listed once."""

from libs.models import Problem
from libs.storage import LandingZone, ObjectInfo


class BatchFiles:
    """What lies in the landing zone for a batch, remembered from its checks to its staging.

    Args:
        landing: Where the files lie.
    """

    def __init__(self, landing: LandingZone) -> None:
        self.landing = landing
        self._found: dict[str, list[ObjectInfo]] = {}
        self._folders: dict[str, list[ObjectInfo]] = {}

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
        """What to tell an uploader whose file is not there."""
        return self.landing.missing(key, where, self.siblings(key))

    @property
    def bytes(self) -> int:
        """Size of the files that have been looked up; sidecars aside."""
        return sum(info.size for found in self._found.values() for info in found)
