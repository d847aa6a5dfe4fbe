"""Decimal columns compared with any number, exactly.

Engines compare a decimal with what has as many digits before and after the point as its type, or fail to make it so. A number
that the type cannot hold lies between two that it can, or beyond all of them. Nothing equals it; these neighbours give the order.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from libs.transformations.dialect import Dialect
from libs.transformations.relation import Column


class DecimalColumn:
    """A column of decimals, all of them whole numbers of its last digit.

    Args:
        column: It has a decimal type.
        name: An expression for it.
        dialect: Spelling.
    """

    def __init__(self, column: Column, name: str, dialect: Dialect) -> None:
        digits, scale = re.findall("[0-9]+", column.type.partition("(")[2])
        self._name, self._dialect = name, dialect
        self._digits, self._scale = int(digits), int(scale)

    def compares(self, sign: str, number: float) -> str:
        """Predicate, NULL for a missing value at most: the column is ``= < <= > >=`` a number, as written in decimal digits."""
        below, exact = self._units(number)
        held = abs(below) < 10**self._digits
        if exact and held:
            return f"{self._name} {sign} {self._literal(below)}"
        if sign == "=":
            return "FALSE"
        lower = sign in {"<", "<="}
        if held:
            return f"{self._name} {'<=' if lower else '>'} {self._literal(below)}"
        return f"{self._name} IS NOT NULL" if lower == (below > 0) else "FALSE"

    def is_in(self, numbers: Sequence[float]) -> str:
        """Predicate, NULL for a missing value at most: the column equals one of some numbers."""
        units = dict.fromkeys(map(self._units, numbers))
        held = [self._literal(whole) for whole, exact in units if exact and abs(whole) < 10**self._digits]
        return f"{self._name} IN ({', '.join(held)})" if held else "FALSE"

    def _units(self, number: float) -> tuple[int, bool]:
        """The number in units of the last digit, rounded down, and whether that is exact."""
        units = Fraction(Decimal(repr(number))) * 10**self._scale
        return units.numerator // units.denominator, units.denominator == 1

    def _literal(self, units: int) -> str:
        text = str(abs(units)).zfill(self._scale + 1)
        point = len(text) - self._scale
        number = self._dialect.text(f"{'-' * (units < 0)}{text[:point]}.{text[point:]}".rstrip("."))
        return f"CAST({number} AS DECIMAL({self._digits}, {self._scale}))"
