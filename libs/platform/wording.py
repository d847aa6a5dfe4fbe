"""Words for numbers and sizes, the same in every interface."""

NO_MANIFEST = "a manifest is manifests/<batch_id>.json, in no sub-folder."
"""What to know about a file in the folder of manifests that is not a manifest."""


def count(number: int, noun: str) -> str:
    """``1 dataset``, ``12,345 features``."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + ("es" if noun.endswith("ch") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def size(octets: int) -> str:
    """A size in decimal units: ``812 B``, ``3.4 kB``, ``1.2 GB``."""
    if octets < 1000:  # noqa: PLR2004 - a thousand bytes are a kilobyte
        return f"{octets} B"
    value = float(octets)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.95 or unit == "TB":  # noqa: PLR2004 - what would be rounded to 1000.0 belongs to the next unit
            return f"{value:,.1f} {unit}"
    raise AssertionError(octets)
