"""The files of one batch in the landing zone: all are looked up at once, in time that grows with their number only."""

from collections.abc import Iterable

from libs.models import Problem
from libs.models.manifest import MAX_PROBLEMS
from libs.pipeline.hints import Names
from libs.spatial_utils.siblings import Siblings
from libs.storage import DataLake, LandingZone, ObjectInfo, ObjectRefused

SIMILAR = 20
"""Missing files of a batch for which similar names are looked for, and not only the same in other letters."""


class BatchFiles:
    """What lies in the landing zone for a batch, remembered from its checks to its staging.

    Args:
        landing: Where the files lie.
        keys: Of its files, as far as they are known.
        lake: Where the versions lie that it reads.
    """

    def __init__(self, landing: LandingZone, keys: Iterable[str] = (), lake: DataLake | None = None) -> None:
        self.landing, self.lake = landing, lake
        self._expected = dict.fromkeys(keys)
        self._looked_up: set[str] = set()
        self._objects: dict[str, ObjectInfo] = {}
        self._siblings = Siblings(())
        self._folders: set[str] = set()
        self._refused: dict[str, ObjectRefused] = {}
        self._members: dict[str, list[ObjectInfo]] = {}
        self._names: dict[str, Names] = {}
        self._missing = 0

    def resolve(self, key: str) -> list[ObjectInfo]:
        """The object under a key, or all objects of the folder ``key/`` (a FileGDB); empty when there is nothing.

        Raises:
            Rejected: when something lies there that is not read.
        """
        self._look_up(key)
        if key in self._objects:
            return [self._objects[key]]
        refused = self._refused.get(key) or self._refused.get(_folder(key))
        if refused is not None:
            raise self.landing.refusal(refused, refused.uri)
        if key not in self._members:
            try:
                self._members[key] = self.landing.members(key) if key in self._folders else []
            except ObjectRefused as error:
                raise self.landing.refusal(error, error.uri) from error
            self._objects |= {info.key: info for info in self._members[key]}
        return self._members[key]

    def beside(self, key: str) -> list[str]:
        """Keys in the folder of a file that have its name, or its name up to the last dot: what may belong to it."""
        self._look_up(key)
        return self._siblings.of(key)

    def require(self, key: str) -> ObjectInfo:
        """An object that was found.

        Raises:
            Rejected: when it is not read.
        """
        if key in self._refused:
            raise self.landing.refusal(self._refused[key], self._refused[key].uri)
        return self._objects[key]

    def forget(self, key: str) -> None:
        """Look a file up again when it is asked for: it has changed since."""
        for each in [key, *self.beside(key)]:
            self._objects.pop(each, None)
            self._refused.pop(each, None)
        self._members.pop(key, None)
        self._folders.discard(key)
        self._looked_up.discard(key)

    def missing(self, key: str, where: str) -> Problem:
        """What to tell an uploader whose file is not there. Names what is probably meant where that will be shown."""
        self._missing += 1
        if self._missing > MAX_PROBLEMS:
            return self.landing.missing(key, where)
        folder = _folder(key)
        if folder not in self._names:
            self._names[folder] = Names(self.landing.names(folder))
        return self.landing.missing(key, where, self._names[folder].meant(key, similar=self._missing <= SIMILAR))

    def _look_up(self, key: str) -> None:
        if key in self._looked_up:
            return
        asked = self._expected | {key: None}
        refused: list[ObjectRefused] = []
        objects, folders = self.landing.look_up(asked, refused.append)
        self._looked_up |= asked.keys()
        self._expected = {}
        self._objects |= objects
        self._folders |= folders
        self._refused |= {self.landing.key_of(error): error for error in refused}
        self._siblings = Siblings(self._objects.keys() | self._refused.keys())


def _folder(key: str) -> str:
    return key[: key.rfind("/") + 1]
