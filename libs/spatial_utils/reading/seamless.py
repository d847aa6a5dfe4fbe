"""The tables of a seamless one of MapInfo: each has to be there, and in its place."""

from pathlib import Path

from libs.models import Rejected
from libs.spatial_utils.seamless import component_names, find, is_inside, is_seamless


def components(table: Path, where: str) -> list[Path]:
    """The tables of a seamless one, in its order; none if it is an ordinary one.

    Args:
        table: The ``.tab``.
        where: Its place, for problems.

    Raises:
        Rejected: ``component_outside``, ``missing_sidecar`` and ``unreadable``, all of which name the table.
    """
    names = component_names(table)
    if not names and is_seamless(table):
        raise Rejected.because(
            "unreadable", where, f"{table.name!r} is a seamless table, but its records name no tables.",
            "Upload it again, with its .dat, or submit its tables as files of their own.",
        )  # fmt: skip
    found = []
    for name in names:
        if not is_inside(name):
            raise Rejected.because(
                "component_outside", where,
                f"The seamless table {table.name!r} names the table {name!r}, which is not in its folder or below it.",
                "Put all tables into the folder of the seamless table, make it again there, and upload all. Or submit the tables "
                "as files of their own, without the seamless one.",
            )  # fmt: skip
        file = find(table.parent, name)
        if file is None:
            raise Rejected.because(
                "missing_sidecar", where, f"The seamless table {table.name!r} names the table {name!r}, which is missing.",
                "Upload all its tables, each in the same folder as in the seamless table, or all together as a ZIP archive.",
            )  # fmt: skip
        if is_seamless(file):
            raise Rejected.because(
                "unreadable", where, f"The seamless table {table.name!r} names {name!r}, which is a seamless table itself.",
                "Submit only those seamless tables whose tables are ordinary ones.",
            )  # fmt: skip
        found.append(file)
    return found
