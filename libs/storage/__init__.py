"""Landing zone and data lake, on an object store. No rules of the pipeline live here."""

from libs.storage.fetched import Fetched
from libs.storage.folder import FolderStore
from libs.storage.lake import IDENTITY, RECORD, DataLake
from libs.storage.landing import LandingZone
from libs.storage.store import ObjectChanged, ObjectInfo, ObjectMissing, ObjectRefused, ObjectStore

__all__ = [
    "IDENTITY", "RECORD", "DataLake", "Fetched", "FolderStore", "LandingZone", "ObjectChanged", "ObjectInfo", "ObjectMissing",
    "ObjectRefused", "ObjectStore",
]  # fmt: skip
