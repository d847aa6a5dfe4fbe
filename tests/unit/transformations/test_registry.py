"""Which recipe an intent selects."""

import pytest

from libs.models import Rejected
from libs.transformations import Recipe, Registry


def test_intents() -> None:
    registry = Registry()
    recipe, is_default = registry.for_intent("ingest_vector")
    assert (recipe.name, is_default) == ("default", False)
    recipe, is_default = registry.for_intent("simplify")
    assert (recipe.name, is_default) == ("simplify", False)
    recipe, is_default = registry.for_intent("make_coffee")
    assert (recipe.name, is_default) == ("default", True)


def test_the_default_recipe_is_what_the_design_says() -> None:
    assert Registry().recipes["default"].steps == ({"op": "reproject", "crs": "EPSG:4326"}, {"op": "repair"})


def test_own_recipes_are_added() -> None:
    mine = Recipe(name="mine", description="Mine.")
    assert Registry([mine]).for_intent("mine") == (mine, False)


def test_a_name_that_is_taken_is_refused() -> None:
    own = [Recipe(name=name, description="Mine.") for name in ("default", "ingest_vector", "a", "a")]
    with pytest.raises(Rejected) as caught:
        Registry(own)
    assert [problem.where for problem in caught.value.problems] == ["recipe default", "recipe ingest_vector", "recipe a"]


def test_every_builtin_parameter_is_described_and_every_recipe_survives_json() -> None:
    for name, recipe in Registry().recipes.items():
        assert recipe.name == name
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
