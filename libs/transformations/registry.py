"""Which recipe an intent selects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import MappingProxyType

from libs.models import Problem, Rejected
from libs.transformations.builtin import ALIASES, BUILTIN, DEFAULT
from libs.transformations.recipe import Recipe


@dataclass(frozen=True)
class OwnRecipe:
    """A file with a recipe of the user's own.

    Attributes:
        file: Its name.
        name: The intent that selects the recipe, as far as the file tells.
        recipe: None when it cannot be used.
        problems: Why.
    """

    file: str
    name: str
    recipe: Recipe | None
    problems: tuple[Problem, ...] = ()


class Registry:
    """The built-in recipes and a user's own. A file that cannot be used breaks its own recipe only.

    Attributes:
        broken: Files whose recipes cannot be used: something is wrong in them, or another recipe has the same name. Of two
            files with one name, both are: nobody knows which of them is meant.
    """

    def __init__(self, own: Iterable[OwnRecipe] = ()) -> None:
        self._recipes = {recipe.name: recipe for recipe in BUILTIN}
        files = [_named_apart(each, of_that_name) for of_that_name in _by_name(own).values() for each in of_that_name]
        self._recipes |= {each.recipe.name: each.recipe for each in files if each.recipe is not None}
        self.broken = tuple(each for each in files if each.recipe is None)

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """All recipes that can be used by name, the built-in ones first."""
        return MappingProxyType(self._recipes)

    def for_intent(self, intent: str) -> tuple[Recipe, bool]:
        """The recipe for a manifest's intent.

        Returns:
            The recipe, not bound yet; and whether the intent is unknown, so that it is the default one.

        Raises:
            Rejected: when the recipe of the intent cannot be used, naming its file and all that is wrong in it.
        """
        name = ALIASES.get(intent, intent)
        known = name in self._recipes
        files = [] if known else [each for each in self.broken if each.name == name]
        if files:
            raise Rejected(_cannot_be_used(each) for each in files)
        return self._recipes[name if known else DEFAULT], not known

    def similar(self, intent: str) -> str | None:
        """The intent that was probably meant by one that is not known."""
        close = get_close_matches(intent, [*self._recipes, *ALIASES], n=1)
        return close[0] if close else None


def _cannot_be_used(file: OwnRecipe) -> Problem:
    """All that is wrong in a file, as one problem of the intent."""
    wrong = " ".join(f"{problem.where}: {problem.message}" for problem in file.problems)
    return Problem(
        code="recipe_broken", where="intent", message=f"The recipe {file.name!r} in {file.file} cannot be used. {wrong}",
        remedy=f"Correct {file.file} in the folder of recipes, or choose another intent.",
    )  # fmt: skip


def _by_name(own: Iterable[OwnRecipe]) -> dict[str, list[OwnRecipe]]:
    by_name: dict[str, list[OwnRecipe]] = {}
    for each in own:
        by_name.setdefault(each.name, []).append(each)
    return by_name


def _named_apart(each: OwnRecipe, of_that_name: Sequence[OwnRecipe]) -> OwnRecipe:
    """A file's recipe, if no other has its name."""
    others = [other.file for other in of_that_name if other is not each]
    if {*ALIASES, *(recipe.name for recipe in BUILTIN)} & {each.name}:
        others.append("the built-in recipes")
    if each.recipe is None or not others:
        return each
    problem = Problem(
        code="recipe_name_taken", where=each.file, message=f"There is a recipe {each.name!r} in {', '.join(others)}, too.",
        remedy="Give yours another name.",
    )  # fmt: skip
    return replace(each, recipe=None, problems=(problem,))
