"""Whether text that does not say its encoding, and is not UTF-8, is in Windows-1252 (Latin-1).

Other code pages give other letters for the same bytes. So every letter beyond ASCII must belong to one of the languages that are
written in Windows-1252, and must stand where that language puts it. Czech, Polish, Turkish, Cyrillic, DOS and Macintosh text does
not pass: it shows signs within words, capitals after small letters, or accents where no Western language has them.
"""

import re

_LANGUAGES = (
    "äöüÄÖÜßéÉèàçëêîôâïûœ",  # German, with French names
    "àâæçéèêëîïôœùûüÿÀÂÆÇÉÈÊËÎÏÔŒÙÛÜ",  # French
    "áéíñóúüÁÉÍÑÓÚÜçàèòï",  # Spanish, Catalan
    "àáâãçéêíóôõúüÀÁÂÃÇÉÊÍÓÔÕÚ",  # Portuguese
    "åäöæøéÅÄÖÆØÉüÜ",  # Nordic
    "àèéìîòùÀÈÉÌÒÙ",  # Italian
    "ëïéèöüáóíêûôÉ",  # Dutch
)
_QUOTES = "«»„“”‘’‚‹›†"
_SIGNS = _QUOTES + "°²³µ·½¼¾×§±–—…€£©®ºª¿¡\u00a0´¨•"
_LETTER = r"[^\W\d_ªº]"
_SIGN_IN_WORD = re.compile(rf"(?<={_LETTER})(?:[^\w\s\x00-\x7f·’‘´–]|[ªº¹²³])(?={_LETTER})")
_SIGN_AT_WORD = re.compile(rf"{_LETTER}[‚„¼½¾]|[£¼½¾±]{_LETTER}")
_CAPITAL_IN_WORD = re.compile(rf"[a-zß-öø-ÿšžœ][À-ÖØ-ÞŠŽŒŸ]|(?<={_LETTER})[À-ÖØ-ÞŠŽŒŸ](?=[a-zß-öø-ÿ])|aá|áa")
_RUN = re.compile(r"[^\x00-\x7f]{3,}")
_OUT_OF_PLACE = re.compile(
    r"[ìòù](?=[^\W\d_])|(?<![a-zß-ÿ])[ìòù]|(?<=[aeo])ò"  # Italian has them at the end of words only; Czech ě, ň, ů
    r"|\b[ÈÌÒÙ](?=[a-zß-ÿ])"  # Czech Č, Ě
    r"|è(?=[aeiouyáéíóúýìùò])|(?<=[aeouáéíóúý])è"  # Czech č; French è has a consonant after it, and never a, e or o before it
    r"|[øØ](?=[aiouìíéý])|[øØ](?=e(?!(?:[rn](?:e|s|\b))|[ts]?\b))"  # Czech ř; Danish has øer, øen, søerne
    r"|ñ(?![aeiouáéíóú])|œ(?![uidste])|Œ(?![uidsteUIDSTE])|ê(?=[gkdzwj])"  # Polish ń, ś, ę
    r"|õ(?!e)|ã(?![oesn]|\b)"  # Hungarian ő, Romanian ă; Portuguese has õe, ão, ãe
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_FRENCH_OU = re.compile(r"\b[Oo]ù\b")


def is_western(data: bytes) -> bool:
    """Whether text is almost certainly in Windows-1252.

    Args:
        data: Bytes of it, cut anywhere. Without any beyond ASCII there is nothing to find out: then it is not.
    """
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    if _CONTROL.search(text):
        return False
    beyond = {character for character in text if character > "\x7f"}
    letters = {character for character in beyond if character.isalpha() and character not in _SIGNS}
    if not beyond - {*_QUOTES} or not beyond - letters <= {*_SIGNS} or not any(letters <= {*language} for language in _LANGUAGES):
        return False
    text = _FRENCH_OU.sub("ou", text)
    return not any(pattern.search(text) for pattern in (_SIGN_IN_WORD, _SIGN_AT_WORD, _CAPITAL_IN_WORD, _RUN, _OUT_OF_PLACE))
