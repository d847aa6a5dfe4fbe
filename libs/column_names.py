"""Names of the columns that the platform adds to a dataset. A leaf: the confined worker, the recipes and the lake import it."""

GEOMETRY = "geom"
"""The one geometry column, in batches as in the lake: WKB, little-endian. Never among a relation's attributes."""

BBOX = "bbox"
"""The column that a lake file adds for each feature's extent."""

RESERVED_NAMES = frozenset({GEOMETRY, BBOX})
"""No attribute may have one of these names, whatever its case."""

PROBLEM, RAW = "_etl_problem", "_etl_raw"
"""Columns that the worker adds for features that a policy sets aside: what is wrong, and the values as they stand in the file."""

CODE, MESSAGE = "_etl_code", "_etl_message"
"""Columns that an engine adds for features that a recipe's step sets aside: what is wrong."""

RESERVED_PREFIX = "_etl_"
"""Columns that a plan adds for its own use begin with it. No attribute may."""
