"""A disk that is full, as whoever meets it says so."""

import errno


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that no space is left."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return True
        error = error.__cause__
    return False
