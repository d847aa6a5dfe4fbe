"""Which recipe an intent selects."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from libs.models import Problem, Rejected
from libs.transformations.builtin import ALIASES, BUILTIN, DEFAULT
from libs.transformations.recipe import Recipe


class Registry:
    """The built-in recipes and a user's own."""

    def __init__(self, own: Iterable[Recipe] = ()) -> None:
        """Register the built-in recipes, then ``own``.

        Raises:
            Rejected: when a name is taken, by a built-in recipe or twice among ``own``; names all of them.
        """
        self._recipes = {recipe.name: recipe for recipe in BUILTIN}
        problems: list[Problem] = []
        for recipe in own:
            if recipe.name in self._recipes or recipe.name in ALIASES:
                problems.append(
                    Problem(code="recipe_name_taken", where=f"recipe {recipe.name}",
                            message=f"There is already a recipe {recipe.name!r}.", remedy="Give yours another name.")
                )  # fmt: skip
            else:
                self._recipes[recipe.name] = recipe
        if problems:
            raise Rejected(problems)

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """All recipes by name, the built-in ones first."""
        return MappingProxyType(self._recipes)

    def for_intent(self, intent: str) -> tuple[Recipe, bool]:
        """The recipe for a manifest's intent.

        Returns:
            The recipe, not bound yet; and whether the intent is unknown, so that it is the default one.
        """
        name = ALIASES.get(intent, intent)
        known = name in self._recipes
        return self._recipes[name if known else DEFAULT], not known
