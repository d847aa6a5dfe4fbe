"""What PostgreSQL does not take of the data, for the uploader."""

from libs.compute.postgis.connection import StatementFailed
from libs.models import Rejected

_OF_THE_DATA = {
    "22021": "a text with a NUL character",
    "22008": "a date or time out of PostgreSQL's range",
    "54": "too much of it",
}


def refused(error: StatementFailed, where: str) -> Exception:
    """What the data is to blame for; the error itself where it is not.

    Args:
        error: What a statement failed with.
        where: The row, or what it was to be a row of.
    """
    known = _OF_THE_DATA.get(error.state) or _OF_THE_DATA.get(error.state[:2])
    if known is None and error.row is None:
        return error
    return Rejected.because(
        "not_storable",
        where,
        f"PostGIS cannot keep it as it is: {f'{known} ({error})' if known else error}.",
        "Correct it, or have the batch processed on DuckDB, which keeps it (SPATIAL_ETL_ENGINE=duckdb).",
    )
