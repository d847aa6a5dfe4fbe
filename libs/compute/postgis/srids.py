"""CRSs by number: PostGIS keeps prepared projections only for those that ``spatial_ref_sys`` has."""

from contextlib import suppress

from libs.compute.postgis.connection import Connection
from libs.models import ServiceUnavailable
from libs.transformations import PostGis
from libs.transformations.postgis import epsg_code

OWN_SRIDS = range(910_000, 998_999)
"""Where definitions of CRSs without a code go in ``spatial_ref_sys``, each at a number that follows from its text."""
LONGEST_DEFINITION = 2048
"""Characters that ``spatial_ref_sys`` has room for."""


class Srids:
    """See :class:`libs.transformations.PostGis`. A definition that has no number there gets one, if we may.

    Each CRS is looked up once, so that plans may be made again while the connection is in use.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, int | None] = {}

    def of(self, crs: str) -> int | None:
        """The number of an authority code or a definition; None where there is none."""
        if crs not in self._known:
            self._known[crs] = self._look_up("EPSG:4326" if crs == "OGC:CRS84" else crs)
        return self._known[crs]

    def _look_up(self, crs: str) -> int | None:
        authority, _, code = crs.partition(":")
        if code.isdecimal():
            found = self._connection.rows(
                f"SELECT srid FROM spatial_ref_sys WHERE upper(auth_name) = {_text(authority.upper())} AND auth_srid = {code}"
            )
            if found or epsg_code(crs) is None:
                return int(found[0][0]) if found else None
            return None
        return self._own(crs) if len(crs) <= LONGEST_DEFINITION else None

    def _own(self, definition: str) -> int | None:
        text = _text(definition)
        first = f"{OWN_SRIDS.start} + abs(hashtextextended({text}, 0) % {len(OWN_SRIDS)})"
        entry = f"INSERT INTO spatial_ref_sys (srid, srtext) SELECT {first}, {text} ON CONFLICT DO NOTHING"
        with suppress(ServiceUnavailable):  # without the right to, it is named by its text, which is slow
            self._connection.execute(entry)
        found = self._connection.rows(f"SELECT srid FROM spatial_ref_sys WHERE srid = {first} AND srtext = {text}")
        return int(found[0][0]) if found else None


def _text(value: str) -> str:
    return PostGis().text(value)
