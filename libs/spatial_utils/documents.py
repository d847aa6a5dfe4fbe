"""Documents that people put beside their data: read-me files, metadata, styles, licences. Told from data by what is in them."""

import re
from pathlib import Path

from libs.spatial_utils.sniffing import HEAD_BYTES, Kind, json_members, kind_of_bytes, xml_root

_XML_ROOTS = frozenset({
    "md_metadata", "mi_metadata", "metadata", "ds_series", "records", "record",  # ISO 19139, FGDC, Esri, Dublin Core
    "qgis", "qgs", "qlr", "styledlayerdescriptor", "layerdefinition",  # projects and styles
    "wfs_capabilities", "wms_capabilities", "capabilities",
    "schema", "gmlfeatureclasslist", "pamdataset", "project", "svg", "rss", "stylesheet",
})  # fmt: skip
"""Root elements of XML that holds no features, in lower case."""
_GEOJSON_TYPES = frozenset({
    b"featurecollection", b"feature", b"geometrycollection",
    b"point", b"linestring", b"polygon", b"multipoint", b"multilinestring", b"multipolygon",
})  # fmt: skip
_NAMES = re.compile(
    r"(?i)[\W_\d]*(?:read[\W_]*me|lies[\W_]*mich|lisez[\W_]*moi|le(?:e|a|ia)[\W_]*me|leggimi"
    r"|licen[cs]e|licen[cz]a|licencia|lizenz|copying|copyright|colophon|colofon|change[\W_]*log"
    r"|metadata|metadaten|authors|credits|notice|attribution|terms|disclaimer)(?![^\W_])"
)
"""Names of texts that are documents, whatever follows (``README_en.txt``), and even if they look like a table."""
_DELIMITERS = b",;\t|"
_LINES = 20
_SENTENCE_ENDS = frozenset({b".", b"!", b"?", b":"})


def is_document(path: Path) -> bool:
    """Whether a file is a document without features or rows, as far as its first bytes tell."""
    with path.open("rb") as file:
        return is_document_by(path.name, file.read(HEAD_BYTES))


def is_document_by(name: str, head: bytes) -> bool:
    """The same of a file's name and its first ``HEAD_BYTES``; false where they do not tell."""
    kind = kind_of_bytes(head)
    if kind is Kind.XML:
        return (xml_root(head) or "").lower() in _XML_ROOTS
    if kind is Kind.JSON:
        return not _may_be_geojson(head)
    if kind is Kind.TEXT:
        return _NAMES.match(name) is not None or not _is_tabular(head)
    return kind in {Kind.EMPTY, Kind.PDF, Kind.HTML, Kind.XML_ERROR}


def _may_be_geojson(head: bytes) -> bool:
    members = json_members(head)
    if b"type" in members:
        return members[b"type"].lower() in _GEOJSON_TYPES
    return b"features" in members or len(head) >= HEAD_BYTES  # the type may stand at the end


def _is_tabular(head: bytes) -> bool:
    """Whether the first lines have the same number of some delimiter: at least two lines, at least one delimiter each.

    A first line that ends as a sentence does is no header.
    """
    lines = [re.sub(rb'"[^"]*"', b"", line) for line in head.splitlines() if line.strip()]
    whole = lines[:-1] if len(head) >= HEAD_BYTES else lines
    first = whole[:_LINES]
    counts = ({line.count(bytes([delimiter])) for line in first} for delimiter in _DELIMITERS)
    return (
        len(first) > 1
        and first[0].rstrip()[-1:] not in _SENTENCE_ENDS
        and any(len(found) == 1 and 0 not in found for found in counts)
    )
