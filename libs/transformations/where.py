"""Conditions as people type them: ``use = 'school' AND (floors >= 3 OR built IS NULL)``. They are no SQL.

The grammar is a small part of SQL's. What a condition means is said in one place, :mod:`libs.transformations.conditions`, for
recipes and for this text: it is true or false, also where a value is missing.

::

    any        = all ("OR" all)*
    all        = one ("AND" one)*
    one        = "NOT" one | "(" any ")" | comparison
    comparison = column ( sign value | "IS" ["NOT"] "NULL"
                        | ["NOT"] ("IN" "(" value ("," value)* ")" | "BETWEEN" value "AND" value | "LIKE" text) )
    sign       = "=" | "<>" | "!=" | "<" | "<=" | ">" | ">="
    column     = a name, or one in double quotes
    value      = a number, 'a text', TRUE, FALSE
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from libs.models import Problem, Rejected
from libs.transformations import conditions
from libs.transformations.conditions import AllOf, AnyOf, Comparison, Condition, Not
from libs.transformations.relation import Column

_SIGNS = {"=": "eq", "==": "eq", "<>": "ne", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_WORDS = frozenset({"AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "BETWEEN", "TRUE", "FALSE"})
_DEEPEST = 100
_TOKEN = re.compile(
    r"""(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))|(?P<text>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")*")"""
    r"""|(?P<name>[^\W\d][\w.]*)|(?P<sign><=|>=|<>|!=|==|[=<>])|(?P<mark>[(),])"""
)
_REMEDY = "Write conditions such as: use = 'school' AND (floors >= 3 OR built IS NULL)."


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int

    def is_word(self, word: str) -> bool:
        return self.kind == "name" and self.text.upper() == word


@dataclass(frozen=True)
class Where:
    """A condition that was typed.

    Attributes:
        condition: What it means.
        places: For each of its comparisons, in their order, at which character of the text it begins, from 1.
    """

    condition: Condition
    places: tuple[int, ...]

    def problems(self, columns: Iterable[Column]) -> Iterator[Problem]:
        """Everything in it that does not fit the columns, with the place of the comparison."""
        known = {column.name: column for column in columns}
        listed = ", ".join(f"{column.name} ({column.type})" for column in known.values()) or "none"
        for comparison, place in zip(conditions.comparisons(self.condition), self.places, strict=True):
            for found in comparison.problems(known):
                yield Problem(
                    code="bad_condition", where=f"the condition, character {place}", message=f"{found[0].upper()}{found[1:]}.",
                    remedy=f"The columns: {listed}.",
                )  # fmt: skip


def parse(text: str) -> Where:
    """Understand a condition.

    Raises:
        Rejected: ``bad_condition``, with the character at which it cannot be understood.
    """
    parser = _Parser(text)
    return Where(parser.whole(), tuple(parser.places))


def _wrong(place: int, message: str, remedy: str = _REMEDY) -> Rejected:
    return Rejected.because("bad_condition", f"the condition, character {place + 1}", message, remedy)


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        found = _TOKEN.match(text, position)
        if found is None:
            if text[position] in "'\"":
                raise _wrong(position, f"The quote {text[position]} is not closed.", "Close it. A quote inside is written twice.")
            raise _wrong(position, f"{text[position:].split(maxsplit=1)[0]!r} cannot stand here.")
        yield _Token(str(found.lastgroup), found[0], position)
        position = found.end()
    yield _Token("end", "", len(text))


class _Parser:
    """Reads tokens from left to right; ``places`` grows with the comparisons."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._next = 0
        self._depth = 0
        self.places: list[int] = []

    def whole(self) -> Condition:
        condition = self._any()
        if self._token.kind != "end":
            raise self._unexpected("AND, OR, or the end")
        return condition

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next += token.kind != "end"
        return token

    def _took_word(self, *words: str) -> bool:
        """Whether these words come next, which are then behind us."""
        following = self._tokens[self._next : self._next + len(words)]
        found = len(following) == len(words) and all(token.is_word(word) for token, word in zip(following, words, strict=True))
        self._next += len(words) if found else 0
        return found

    def _took_mark(self, mark: str) -> bool:
        found = self._token.kind == "mark" and self._token.text == mark
        self._next += found
        return found

    def _unexpected(self, expected: str) -> Rejected:
        token = self._token
        found = f"{token.text!r} stands where {expected} is expected" if token.text else f"It ends where {expected} is expected"
        return _wrong(token.start, f"{found}.")

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._took_word("OR"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf.model_validate({"any": parts})

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._took_word("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else AllOf.model_validate({"all": parts})

    def _one(self) -> Condition:
        start = self._token.start
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _wrong(start, f"More than {_DEEPEST} NOT and brackets lie in each other.", "Write it with fewer.")
        try:
            if self._took_word("NOT"):
                return Not.model_validate({"not": self._one()})
            if self._took_mark("("):
                inner = self._any()
                if not self._took_mark(")"):
                    raise self._unexpected("a closing bracket")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        start = self._token.start
        column = self._column()
        self.places.append(start + 1)
        if self._token.kind == "sign":
            sign = self._take()
            if self._token.is_word("NULL"):
                said = "IS NULL" if _SIGNS[sign.text] == "eq" else "IS NOT NULL"
                raise _wrong(self._token.start, "Nothing is compared with NULL by a sign.", f"Write: {column} {said}.")
            return Comparison(column=column, op=_SIGNS[sign.text], value=self._value())
        if self._took_word("IS", "NOT", "NULL"):
            return Comparison(column=column, op="not_null")
        if self._took_word("IS", "NULL"):
            return Comparison(column=column, op="is_null")
        negated = self._took_word("NOT")
        found = self._word_comparison(column, start)
        return Not.model_validate({"not": found}) if negated else found

    def _word_comparison(self, column: str, start: int) -> Comparison:
        if self._took_word("IN"):
            return _checked(start, column, "in", self._list())
        if self._took_word("BETWEEN"):
            low = self._value()
            if not self._took_word("AND"):
                raise self._unexpected("AND and the upper value")
            return _checked(start, column, "between", [low, self._value()])
        if self._took_word("LIKE"):
            return _checked(start, column, "like", self._value())
        raise self._unexpected("a comparison (=, <>, <, <=, >, >=, IN, LIKE, BETWEEN, IS NULL)")

    def _column(self) -> str:
        token = self._token
        if token.kind == "quoted" and len(token.text) > len('""'):
            return self._take().text[1:-1].replace('""', '"')
        if token.kind == "name" and token.text.upper() not in _WORDS:
            return self._take().text
        raise self._unexpected("the name of a column")

    def _list(self) -> list[Any]:
        if not self._took_mark("("):
            raise self._unexpected("a list in brackets")
        values = [self._value()]
        while self._took_mark(","):
            values.append(self._value())
        if not self._took_mark(")"):
            raise self._unexpected("a comma or the closing bracket")
        return values

    def _value(self) -> str | bool | int | float:
        token = self._token
        match token.kind:
            case "text":
                return self._take().text[1:-1].replace("''", "'")
            case "number":
                self._take()
                return int(token.text) if re.fullmatch(r"[+-]?\d{1,40}", token.text) else float(token.text)
            case "name" if token.text.upper() in {"TRUE", "FALSE"}:
                return self._take().text.upper() == "TRUE"
            case "quoted":
                raise _wrong(token.start, f"{token.text} is the name of a column, and a value is expected.",
                             f"Write a text in single quotes: '{token.text[1:-1]}'.")  # fmt: skip
        raise self._unexpected("a value (a number, 'a text', TRUE or FALSE)")


def _checked(start: int, column: str, op: Any, value: Any) -> Comparison:
    try:
        return Comparison(column=column, op=op, value=value)
    except ValueError as error:  # of the values: too many of them
        raise _wrong(start, f"{column!r}: {error}.") from error
