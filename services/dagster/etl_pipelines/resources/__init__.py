"""Resources: how the code here gets at the platform. Thin: they hand out plain objects of ``libs`` and configure nothing.

Settings come from the environment (``libs.models.settings``), for the command line and for Dagster alike.
"""
