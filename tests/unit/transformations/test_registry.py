"""Which recipe an intent selects."""

import pytest

from libs.models import Rejected
from libs.transformations import OwnRecipe, Recipe, Registry


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


def own(name: str, file: str = "") -> OwnRecipe:
    return OwnRecipe(file or f"{name}.yaml", name, Recipe(name=name, description="Mine."))


def test_own_recipes_are_added() -> None:
    mine = own("mine")
    assert Registry([mine]).for_intent("mine") == (mine.recipe, False)


def test_a_name_that_is_taken_is_used_by_neither_file_of_the_users_own() -> None:
    registry = Registry([own("default"), own("ingest_vector"), own("a"), own("a", "b.yaml"), own("c")])
    assert [each.file for each in registry.broken] == ["default.yaml", "ingest_vector.yaml", "a.yaml", "b.yaml"]
    assert registry.recipes["default"].description != "Mine."
    assert registry.for_intent("c")[1] is False
    with pytest.raises(Rejected) as caught:
        registry.for_intent("a")
    assert [(problem.where, "'a' in a.yaml, too" in problem.message) for problem in caught.value.problems] == [
        ("intent", False),
        ("intent", True),
    ]


def test_what_was_probably_meant() -> None:
    assert [Registry().similar(intent) for intent in ("ingest_vectr", "simplfy", "qqq")] == ["ingest_vector", "simplify", None]


def test_every_builtin_parameter_is_described_and_every_recipe_survives_json() -> None:
    for name, recipe in Registry().recipes.items():
        assert recipe.name == name
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
