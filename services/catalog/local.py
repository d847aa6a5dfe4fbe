"""Lake files as local files, for readers that need a path: linked where the store can lend them, copied otherwise."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from libs.models import LakeFile
from libs.storage import DataLake

KEPT = 2 * 1024**3
"""Bytes of copies, at most; more when one file alone is larger. What was not used for the longest time goes first."""


class LocalFiles:
    """Files by their hash in a folder of this process.

    Args:
        lake: Where they come from.
        folder: Empty, on the lake's file system if possible: then nothing is copied.
        kept: Bytes that may stay.
    """

    def __init__(self, lake: DataLake, folder: Path, kept: int = KEPT) -> None:
        self._lake, self.folder, self._kept = lake, folder, kept
        self._lock = threading.Lock()
        self._sizes: OrderedDict[Path, int] = OrderedDict()

    def path(self, file: LakeFile) -> Path:
        """The local file. See :meth:`paths`."""
        return self.paths([file])[0]

    def paths(self, files: Sequence[LakeFile]) -> list[Path]:
        """The local files, all of them at once. Whoever has opened one keeps what it has read, also when it is removed meanwhile.

        Raises:
            ObjectMissing, ObjectRefused: when one cannot be read.
        """
        paths = [self.folder / f"{file.sha256}.parquet" for file in files]
        with self._lock:
            for file, path in zip(files, paths, strict=True):
                if path not in self._sizes:
                    part = path.with_suffix(".part")
                    part.unlink(missing_ok=True)
                    if not self._lake.store.link_local(file.key, part):
                        self._lake.fetch(file.key, part)
                    part.rename(path)
                self._sizes[path] = file.bytes
                self._sizes.move_to_end(path)
            while len(self._sizes) > len({*paths}) and sum(self._sizes.values()) > self._kept:
                self._sizes.popitem(last=False)[0].unlink(missing_ok=True)
        return paths
