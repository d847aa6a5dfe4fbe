import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.values.text import Decoder, codec_named
from tests.sampling import examples


@pytest.mark.parametrize(
    ("spelling", "codec"),
    [
        ("UTF-8", "utf-8"),
        ("utf8", "utf-8"),
        ("65001", "utf-8"),
        ("1252", "cp1252"),
        ("ANSI 1250", "cp1250"),
        ("windows-1251", "cp1251"),
        ("CP866", "cp866"),
        ("OEM 850", "cp850"),
        ("88591", "iso8859-1"),
        ("8859_2", "iso8859-2"),
        ("ISO-8859-15", "iso8859-15"),
        ("iso 8859-1", "iso8859-1"),
        ("Big-5", "cp950"),
        ("GB2312", "gbk"),
        ("936", "gbk"),
        ("shiftjis", "cp932"),
        ("EUC-KR", "cp949"),
        ("koi8-r", "koi8-r"),
        ("latin2", "iso8859-2"),
        ("874", "cp874"),
        ("klingon", None),
        ("<html>", None),
        ("", None),
        ("rot13", None),
    ],
)
def test_names_of_encodings(spelling: str, codec: str | None) -> None:
    assert codec_named(spelling) == codec


def decode(
    values: list[bytes | None], declared: str | None, by: str = "the .cpg file", width: int = 0
) -> tuple[list[str | None], Notes]:
    notes = Notes()
    decoder = Decoder(declared, by, notes)
    decoded = decoder.column(_as_text(values), "name", width, 0, "layer").to_pylist()
    decoder.finish("layer")
    return decoded, notes


def _as_text(values: list[bytes | None]) -> pa.Array:
    """Bytes in a column of text, as GDAL delivers what it does not decode."""
    raw = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(raw), raw.buffers(), raw.null_count)


@pytest.mark.parametrize("codec", ["utf-8", "cp1252", "cp1251", "gbk", "koi8-r"])
@settings(max_examples=examples(30))
@given(data=st.data())
def test_what_was_encoded_comes_back(codec: str, data: st.DataObject) -> None:
    alphabet = st.characters(codec=codec, exclude_characters="\0")
    texts = data.draw(st.lists(st.none() | st.text(alphabet, max_size=8), max_size=5))
    encoded = [None if text is None else text.encode(codec) for text in texts]
    assert decode(encoded, codec, "the manifest")[0] == texts


def test_a_character_cut_in_half_at_the_end_of_the_field() -> None:
    decoded, notes = decode([b"abZ\xc3", "Zürich".encode()], "UTF-8", width=4)
    assert decoded == ["abZ", "Zürich"]
    assert notes.counts == {"cut_characters": 1}


def test_the_same_in_the_middle_is_an_error() -> None:
    with pytest.raises(Unreadable) as caught:
        decode([b"ok", b"Z\xc3"], "UTF-8", width=10)
    assert caught.value.place == "layer layer, feature 2"
    assert caught.value.code == "wrong_encoding"


def test_utf8_under_a_western_name_is_found_out() -> None:
    with pytest.raises(Unreadable):
        decode(["Zürich".encode()], "ISO-8859-1")
    assert decode(["Zürich".encode("cp1252")], "ISO-8859-1")[0] == ["Zürich"]
    assert decode(["Zürich".encode(), "Zürich".encode("cp1252")], "cp1252")[0] == ["ZÃ¼rich", "Zürich"]


def test_nothing_said_means_utf8_or_a_refusal() -> None:
    assert decode(["Zürich".encode()], None)[0] == ["Zürich"]
    with pytest.raises(Unreadable, match="Nothing says"):
        decode([b"Z\xfcrich"], None)
