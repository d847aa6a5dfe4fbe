"""Which integers a double keeps: a column of numbers is one of doubles as soon as one of them is a fraction, or too large."""

from decimal import Decimal

EXACT = 2**53
"""Up to this, every integer is a double."""


def is_rounded(number: int) -> bool:
    """Whether an integer is no spelling of a double: what programs print that compute with doubles loses nothing.

    >>> is_rounded(9007199254740993), is_rounded(590295810358705700000)
    (True, False)
    """
    try:
        return number != Decimal(repr(float(number)))
    except OverflowError:
        return True
