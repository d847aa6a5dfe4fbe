"""Regular expressions that mean the same on every engine: what is common to RE2 and PostgreSQL, and is of bounded size."""

from collections.abc import Callable

_MOST = 255
"""Repetitions: PostgreSQL's limit."""
_SIZE = 1_000
"""Characters of a pattern once its repetitions are written out: RE2's limit is of that size, too."""
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": r" \t\n\r\f\v"}
_CONTROL = {"t": r"\t", "n": r"\n", "r": r"\r", "f": r"\f", "v": r"\v"}
_META = set(r".^$*+?()[]{}|\-/&~#")


class Pattern:
    """A pattern that a text as a whole is to fit.

    Args:
        text: As somebody wrote it. ``^`` at its begin and ``$`` at its end may be there: they say what holds anyway.

    Attributes:
        sql: As engines take it.

    Raises:
        ValueError: saying what of it is not possible.
    """

    def __init__(self, text: str) -> None:
        if "\0" in text:
            raise ValueError("it has a NUL character")
        body = text.removeprefix("^")
        ends = body.endswith("$") and (len(body) - 1 - len(body[:-1].rstrip("\\"))) % 2 == 0
        self._text = body[:-1] if ends else body
        self._at = 0
        self.sql, size = self._alternatives()
        if self._at < len(self._text):
            raise ValueError("a ')' has no '(' before it")
        if size > _SIZE:
            raise ValueError("its repetitions come to too many characters")

    def _alternatives(self) -> tuple[str, int]:
        parts, size = [self._sequence()], 0
        while self._next() == "|":
            self._at += 1
            parts.append(self._sequence())
        size = sum(each for _, each in parts)
        return "|".join(part for part, _ in parts), size

    def _sequence(self) -> tuple[str, int]:
        written, size = "", 0
        while (character := self._next()) is not None and character not in "|)":
            item, large = self._item(character)
            sign, times = self._repetition()
            written, size = written + item + sign, size + large * times
        return written, size

    def _item(self, character: str) -> tuple[str, int]:
        self._at += 1
        match character:
            case "(":
                return self._group()
            case "[":
                return self._class(), 1
            case ".":
                return r"[^\n]", 1
            case "\\":
                return self._escaped(lambda inner: f"[{inner}]", lambda inner: f"[^{inner}]"), 1
            case "*" | "+" | "?" | "{":
                raise ValueError(f"{character!r} has nothing before it to repeat")
            case "^" | "$":
                raise ValueError(f"{character!r} stands in its middle: the whole text is compared")
        return self._literal(character), 1

    def _group(self) -> tuple[str, int]:
        if self._text.startswith("?:", self._at):
            self._at += 2
        elif self._next() == "?":
            raise ValueError("'(?' is not possible, but for '(?:'")
        written, size = self._alternatives()
        if self._next() != ")":
            raise ValueError("a '(' has no ')'")
        self._at += 1
        return f"({written})", size

    def _class(self) -> str:
        negated = self._next() == "^"
        self._at += negated
        written = ""
        while (character := self._next()) != "]" or not written:
            if character is None or character == "]":
                raise ValueError("a '[' has no ']', or nothing in it")
            self._at += 1
            if character == "[":
                written += r"\["
            elif character == "\\":
                written += self._escaped(lambda inner: inner, _no_negation)
            elif character == "-" and written and self._next() not in {"]", None}:
                written += "-"
            else:
                written += self._literal(character)
        self._at += 1
        self._check_ranges(written)
        return f"[{'^' if negated else ''}{written}]"

    def _check_ranges(self, written: str) -> None:
        plain = written.replace("A-Z", "").replace("a-z", "").replace("0-9", "")
        for place, character in enumerate(plain):
            if character == "-" and plain[place - 1 : place] != "\\" and 0 < place < len(plain) - 1:
                low, high = plain[place - 1], plain[place + 1]
                if low > high or "\\" in (low, high):
                    raise ValueError(f"the range {low}-{high} is not possible")

    def _escaped(self, inside: Callable[[str], str], negated: Callable[[str], str]) -> str:
        character = self._next()
        if character is None:
            raise ValueError("it ends in a single backslash")
        self._at += 1
        if character in _CLASSES:
            return inside(_CLASSES[character])
        if character.lower() in _CLASSES:
            return negated(_CLASSES[character.lower()])
        if character in _CONTROL:
            return _CONTROL[character]
        if character.isalnum():
            raise ValueError(f"'\\{character}' is not possible")
        return self._literal(character)

    def _literal(self, character: str) -> str:
        return f"\\{character}" if character in _META else character

    def _repetition(self) -> tuple[str, int]:
        sign = self._next()
        if sign is None or sign not in "*+?{":
            return "", 1
        self._at += 1
        times = 1
        if sign == "{":
            end = self._text.find("}", self._at)
            given = self._text[self._at : max(end, self._at)]
            low, comma, high = given.partition(",")
            if end < 0 or not _is_number(low) or (high and not _is_number(high)) or (high and int(low) > int(high)):
                raise ValueError("a '{' is not followed by a number such as {3}, or by two such as {2,5}")
            times = int(high or low)
            if times > _MOST:
                raise ValueError(f"more than {_MOST} repetitions are not possible")
            self._at, sign = end + 1, f"{{{low}{comma}{high}}}"
        if (after := self._next()) is not None and after in "*+?{":
            raise ValueError(f"{after!r} stands behind another repetition")
        return sign, max(1, times)

    def _next(self) -> str | None:
        return self._text[self._at] if self._at < len(self._text) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _no_negation(_: str) -> str:
    raise ValueError(r"'\D', '\W' and '\S' are not possible in [...]")
