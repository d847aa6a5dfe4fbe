"""Windows-1252 is found out by its letters, and by where they stand."""

import pytest

from libs.spatial_utils.worker.values.western import is_western

WESTERN = [
    "Straße;Köln", "Écluse Nord;Pont d'Iéna;Débit", "Où est la rivière", "à côté, français, Noël", "Ærø, Åland, Tromsø, søer",
    "España, Núñez, ¿qué?", "São João, Conceição, irmãs", "perché, città, però, più, è", "Öst-West °C 5 m²",
    "Zürich Genève Neuchâtel",
    "Høyanger Ålesund Bodø i Telemark", "l’été à Besançon", "Größe in m³, Breite ±5", "Frühstücksstraße 5½", "cœur de bœuf",
]  # fmt: skip
OTHERS = {
    "cp1250": ["Plzeň", "Hradečník", "České Budějovice", "Łódź", "Wrocław", "Gdańsk", "Święty", "Győr", "Kőszeg", "řeka",
               "Přerov", "Tărgu Mureş", "Śląsk"],
    "cp1251": ["Москва", "Киев ул. Ленина"], "cp850": ["Köln", "Straße", "São"], "mac_roman": ["Köln", "café", "Straße"],
    "cp1254": ["İstanbul Beşiktaş", "Kadıköy"], "cp1253": ["Αθήνα"], "shift_jis": ["東京"], "gbk": ["北京"], "koi8_r": ["Москва"],
}  # fmt: skip


@pytest.mark.parametrize("text", WESTERN)
def test_western(text: str) -> None:
    assert is_western(text.encode("cp1252"))


@pytest.mark.parametrize(("encoding", "text"), [(encoding, text) for encoding, texts in OTHERS.items() for text in texts])
def test_others(encoding: str, text: str) -> None:
    assert not is_western(text.encode(encoding))


def test_ascii_says_nothing() -> None:
    assert not is_western(b"Hamburg")
