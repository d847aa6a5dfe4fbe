"""Whatever happens to a page with GeoJSON: all of its features are found, or it is refused."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from libs.spatial_utils.worker.formats.html.reader import features_of_page
from libs.spatial_utils.worker.formats.html.scripts import Scripts
from libs.spatial_utils.worker.protocol import Unreadable

FEATURES: list[dict[str, Any]] = [
    {
        "type": "Feature",
        "properties": {"n": n, "t": "a, \"b\" {c} [d] 'e' // f"},
        "geometry": {"type": "Point", "coordinates": [n, 1]},
    }
    for n in range(4)
]
DATA = {"type": "FeatureCollection", "features": FEATURES}
CODE = 'var u="http://x/*.png";function f(t){return {type:"FeatureCollection",features:t}}\n'


def found(page: str) -> int | None:
    """How many features there are; None where the page is refused."""
    try:
        layers = features_of_page(Scripts(page))
    except Unreadable:
        return None
    return sum(len(features) for *_, features in layers) if layers else None


def page(data: str, *, quoted: bool = False) -> str:
    value = "'" + data.replace("\\", "\\\\").replace("'", "\\'") + "'" if quoted else data
    return f"<html><script>{CODE}</script>\n<script>{CODE}var a = {value}; L.geoJson(a, {{'x': [1, 2]}});</script></html>"


@given(st.data(), st.booleans(), st.booleans(), st.sampled_from([None, 1]))
def test_a_page_that_is_cut_or_lacks_a_character(data: st.DataObject, quoted: bool, ordered: bool, indent: int | None) -> None:
    text = json.dumps(DATA, sort_keys=ordered, indent=None if quoted else indent)
    whole = page(text, quoted=quoted)
    assert found(whole) == 4
    begins = whole.index("var a = ")
    at = data.draw(st.integers(begins, len(whole)))
    assert found(whole[:at]) in {4, None}
    assert found(whole[: at - 1] + whole[at:]) in {4, None}


@given(st.data(), st.sampled_from([", x", "/* c */", "+ y", " ? 1 : 2", "\n// c\n", ",,"]))
def test_a_page_with_code_in_its_data(data: st.DataObject, code: str) -> None:
    text = json.dumps(DATA)
    at = data.draw(st.integers(1, len(text)))
    assert found(page(text[:at] + code + text[at:])) in {4, None}
