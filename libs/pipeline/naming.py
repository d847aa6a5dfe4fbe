"""Names that the platform gives: dataset ids from file names, columns that would collide in the lake."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

from libs.column_names import RESERVED_NAMES, RESERVED_PREFIX
from libs.models import FileSpec, Manifest, lake_key
from libs.models.base import MAX_ID_LENGTH

_TRANSCRIBED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
"""Letters of Latin alphabets that Unicode does not take apart."""


def slug(text: str) -> str:
    """Text as part of an identifier: lower case, ASCII where it can be transcribed, everything else a hyphen.

    Other scripts than the Latin are transliterated. Where much falls together on that way (characters without case: Chinese,
    Arabic, ...) or a letter cannot be transcribed, a part of the text's hash keeps names apart.

    >>> slug("Straßen & Wege 2024")
    'strassen-wege-2024'
    >>> slug("Дороги"), slug("道路")
    ('dorogi', 'daolu-a44c7ba2')
    """
    folded = text.casefold().translate(_TRANSCRIBED)
    decomposed = unicodedata.normalize("NFKD", folded)
    untranscribed = [character for character in decomposed if character.isalnum() and not character.isascii()]
    foreign = any(not unicodedata.name(character, "").startswith("LATIN ") for character in untranscribed)
    ascii_text = _hyphenated(_transliterated(folded) if foreign else decomposed)
    ambiguous = any(not foreign or unicodedata.category(character) == "Lo" for character in untranscribed)
    return "-".join(filter(None, [ascii_text, _hash(text) if ambiguous or (untranscribed and not ascii_text) else ""]))


def _hyphenated(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", text.encode("ascii", "ignore").decode()).strip("-")


def _transliterated(text: str) -> str:
    from anyascii import anyascii

    def letters(character: str) -> str:
        latin = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
        return latin or re.sub(r"[^a-z0-9]", "", anyascii(character).casefold())

    composed = unicodedata.normalize("NFC", text)
    return "".join(letters(character) if character.isalnum() else character for character in composed)


def _hash(text: str) -> str:
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode(errors="surrogatepass")).hexdigest()[:8]


def dataset_id(manifest: Manifest, spec: FileSpec, layer: str, *, only_layer: bool) -> str:
    """The dataset that a layer becomes a version of, when neither its file nor the batch names one.

    ``<project>.<file stem>[.<layer>]``, slugged; the layer is left out when it is the file's only one.
    """
    parts = [str(manifest.metadata.get("project", "")), _stem(spec), *([] if only_layer else [layer])]
    identifier = ".".join(part for part in map(slug, parts) if part)
    identifier = identifier if identifier[:1].isalnum() else f"d{identifier}"
    return identifier if len(identifier) <= MAX_ID_LENGTH else f"{identifier[: MAX_ID_LENGTH - 9]}-{_hash(identifier)}"


def title(spec: FileSpec, layer: str, *, only_layer: bool) -> str:
    """What the uploader called a layer: the file's stem, and the layer's name unless it is the file's only one."""
    parts = [_stem(spec), *([] if only_layer else [layer])]
    return unicodedata.normalize("NFC", ": ".join(parts))


def _stem(spec: FileSpec) -> str:
    key = lake_key(spec.path)
    if key is not None:
        return key.split("/", 1)[0]
    name = spec.path.rstrip("/").rsplit("/", 1)[-1]
    return name.split(".", 1)[0] or name


def lake_columns(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    r"""The columns' names in the lake, and what had to be renamed.

    Renamed is what cannot stand beside the platform's own columns, or beside another column in a reader that ignores case:
    ``geom``, ``bbox``, ``_etl_...``, names that differ by case alone or not at all, empty ones, and those with a NUL character,
    which no SQL has a spelling for.

    >>> lake_columns(["id", "ID", "geom", "", "a\0b"])
    (['id', 'ID_1', 'geom_1', 'column_4', 'a_b'], {'ID': 'ID_1', 'geom': 'geom_1', '': 'column_4', 'a\x00b': 'a_b'})
    """
    taken = set(RESERVED_NAMES)
    wanted = {name.casefold() for name in names}
    result: list[str] = []
    renamed: dict[str, str] = {}
    for position, name in enumerate(names, start=1):
        base = name.replace("\0", "_") or f"column_{position}"
        base = f"column{base}" if base.casefold().startswith(RESERVED_PREFIX) else base
        new, number = base, 0
        while new.casefold() in taken or (new != name and new.casefold() in wanted):
            number += 1
            new = f"{base}_{number}"
        taken.add(new.casefold())
        result.append(new)
        if new != name:
            renamed[name if name not in renamed else f"{name} (column {position})"] = new
    return result, renamed
