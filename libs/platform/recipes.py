"""The user's own recipes: YAML files in a folder."""

from collections.abc import Iterator
from pathlib import Path

from libs.models import Rejected
from libs.transformations import Recipe


def own_recipes(folder: Path) -> Iterator[Recipe]:
    """The recipes in a folder's ``*.yaml`` files, by file name; none when there is no folder.

    Raises:
        Rejected: when a file holds no recipe, naming it.
    """
    for path in sorted(folder.glob("*.yaml")):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise Rejected.because("recipe_not_yaml", path.name, f"It is not UTF-8: {error}.", "Save it as UTF-8.") from error
        yield Recipe.from_yaml(text, path.name)
