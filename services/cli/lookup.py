"""Names that people type: completed in a shell, and corrected when they are not known."""

from collections.abc import Iterable

import typer


def dataset_ids() -> list[str]:
    """The datasets in the ledger."""
    from services.cli.place import opened_ledger

    with opened_ledger() as ledger:
        return [*ledger.newest_versions()]


def batch_ids() -> list[str]:
    """The batches in the ledger."""
    from services.cli.place import opened_ledger

    with opened_ledger() as ledger:
        return ledger.batch_ids()


def recipe_names() -> list[str]:
    """The recipes that the platform comes with, and the user's own."""
    from libs.models.settings import Settings
    from libs.platform import open_registry

    return list(open_registry(Settings()).recipes)


def unknown(kind: str, name: str, known: Iterable[str]) -> typer.BadParameter:
    """The usage error for a name that does not exist, with what was probably meant.

    Args:
        kind: ``dataset``, ``batch``, ``recipe``.
        name: As typed.
        known: Every name that exists.
    """
    from difflib import get_close_matches

    names = list(known)
    if not names:
        return typer.BadParameter(f"There is no {kind} {name!r}: no {kind} exists yet.")
    close = get_close_matches(name, names, n=3)
    # Somebody who types a part of a long id means what contains it.
    close += [candidate for candidate in names if name.lower() in candidate.lower() and candidate not in close][:3]
    if not close:
        return typer.BadParameter(f"There is no {kind} {name!r}.")
    return typer.BadParameter(f"There is no {kind} {name!r}. Did you mean {' or '.join(map(repr, close))}?")


def split_version(text: str) -> tuple[str, int | None]:
    """``roads@2`` as the dataset and the version; None: the current one.

    Raises:
        typer.BadParameter: when what follows the ``@`` is no version number.
    """
    dataset_id, at, number = text.partition("@")
    if not at:
        return dataset_id, None
    if not (number.isascii() and number.isdecimal() and int(number) > 0):
        raise typer.BadParameter(
            f"{number!r} is no version number: write {dataset_id}@1, or {dataset_id} for the current version."
        )
    return dataset_id, int(number)
