"""Recipes: the processing of a source's rows as data, and the SQL that it becomes. Pure: no I/O, no engine.

>>> recipe, is_default = Registry().for_intent("ingest_vector")
>>> plan = recipe.bind({}).plan(relation, DuckDb())
"""

from libs.transformations.builtin import INGEST_RASTER
from libs.transformations.dialect import Dialect
from libs.transformations.duckdb import DuckDb
from libs.transformations.parameter import Parameter
from libs.transformations.plan import Check, Counter, Plan, Preparation, Reason, Stage
from libs.transformations.postgis import PostGis
from libs.transformations.recipe import Recipe, RecipeInput
from libs.transformations.registry import OwnRecipe, Registry
from libs.transformations.relation import Column, Relation

DIALECTS: dict[str, type[Dialect]] = {dialect.name: dialect for dialect in (DuckDb, PostGis)}
"""The SQL dialect of each engine, by the engine's name. A further dialect is a class and a word here."""

__all__ = [
    "DIALECTS", "INGEST_RASTER", "Check", "Column", "Counter", "Dialect", "DuckDb", "OwnRecipe", "Parameter", "Plan", "PostGis",
    "Preparation", "Reason", "Recipe", "RecipeInput", "Registry", "Relation", "Stage",
]  # fmt: skip
