"""The user's own recipes: YAML files in a folder."""

import re
from collections.abc import Iterator
from pathlib import Path

from libs.models import Rejected, ServiceUnavailable
from libs.transformations import OwnRecipe, Recipe

_NAME = re.compile(r"""^name:\s*["']?([a-z][a-z0-9_]*)""", re.MULTILINE)


def own_recipes(folder: Path, *, expected: bool) -> Iterator[OwnRecipe]:
    """The recipes in a folder's ``*.yaml`` files, by file name. A file that holds none is told with what is wrong.

    Args:
        folder: Where to look.
        expected: Somebody has said that it is there; else there are none when it is not.

    Raises:
        ServiceUnavailable: when the folder cannot be listed.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".yaml")
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not expected:
            return
        raise ServiceUnavailable(f"the folder of recipes {folder}", f"{error.strerror}.", "SPATIAL_ETL_RECIPES") from error
    for path in paths:
        yield _recipe(path)


def _recipe(path: Path) -> OwnRecipe:
    name = path.stem
    try:
        text = _text(path)
        name = said[1] if (said := _NAME.search(text)) else name
        recipe = Recipe.from_yaml(text, path.name)
    except Rejected as rejection:
        return OwnRecipe(path.name, name, None, tuple(rejection.problems))
    return OwnRecipe(path.name, recipe.name, recipe)


def _text(path: Path) -> str:
    if not path.is_file():  # a folder, a link to nothing, or a pipe, for whose writer reading would wait
        raise Rejected.because(
            "recipe_not_readable", path.name, "It is not a file.", "Put the recipe's file there, or rename it."
        )
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"It cannot be read: {error.strerror}."
        raise Rejected.because("recipe_not_readable", path.name, message, "Make it readable, or rename it.") from error
    except UnicodeDecodeError as error:
        raise Rejected.because("recipe_not_yaml", path.name, f"It is not UTF-8: {error}.", "Save it as UTF-8.") from error
