"""Links of a KML to other files, which are not followed.

No upstream issue is known (GDAL 3.12.4).
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from libs.spatial_utils.worker.protocol import Notes, Unreadable

LONGEST = 200
"""Characters of a target that are looked at."""


def check(path: Path, links: int, targets: Sequence[str], notes: Notes, *, features: bool) -> None:
    """Say what is not loaded.

    Args:
        path: The file.
        links: How many it has.
        targets: Of those that name one.
        notes: Takes the warning.
        features: Whether the file has features, too.

    Raises:
        Unreadable: ``no_features``, where there is nothing else.
    """
    elsewhere = [target for target in targets if not _is_beside(path, target)]  # other files of a KMZ are read anyway
    links -= len(targets) - len(elsewhere)
    if not links:
        return
    target = next(iter(elsewhere), "")
    where = f"{links:,} link{'s' if links > 1 else ''} to other files" + (f" ({target})" if target else "")
    remedy = "Open it in Google Earth or QGIS, save what it links to as KML, and submit that file."
    if not features:
        raise Unreadable("no_features", f"The file has no features, only {where}. Links are not followed.", remedy, path.name)
    notes.warn(
        "link_not_followed", f"The file also has {where}. Links are not followed: what is there is not loaded.", remedy, path.name
    )


def _is_beside(path: Path, target: str) -> bool:
    """Whether a link leads to a file that was submitted together with the one that has it."""
    try:
        return ":" not in target and (path.parent / unquote(target.partition("#")[0])).is_file()
    except (OSError, ValueError):
        return False
