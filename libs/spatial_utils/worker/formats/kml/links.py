"""Links of a KML to other files, which are not followed.

No upstream issue is known (GDAL 3.12.4).
"""

import re
from pathlib import Path
from urllib.parse import unquote

from libs.spatial_utils.worker.formats.markup import texts
from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.values.pieces import pieces

_NAME = b"NetworkLink"
_START = rb"<(?:[\w.-]++:)?+"
_LINK = re.compile(_START + rb"NetworkLink[\s>/]")
_TARGET = re.compile(
    _START + rb"NetworkLink[\s>](?:[^<]++|<(?!/(?:[\w.-]++:)?+NetworkLink\s*>))*?" + _START + rb"href\s*>\s*+([^<]{1,200})"
)
_FEATURE = re.compile(_START + rb"(?:Placemark|GroundOverlay)[\s>/]")


def check_links(path: Path, notes: Notes) -> None:
    """Look for links to other files.

    Raises:
        Unreadable: ``no_features``, where there is nothing else.
    """
    if not any(_NAME in piece for piece in pieces(path, overlap=len(_NAME))):
        return
    links, targets, features = 0, list[str](), False
    for _, text in texts(path):
        links += len(_LINK.findall(text))
        features = features or _FEATURE.search(text) is not None
        targets += [found.decode("utf-8", "replace").strip() for found in _TARGET.findall(text)]
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
