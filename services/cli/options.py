"""Options and arguments that several commands share, with what completes them in a shell."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from libs.raw_text import inert


def _completed(names: Callable[[], list[str]], incomplete: str) -> list[str]:
    try:
        return [name for name in names() if name.startswith(incomplete) and name == inert(name)]
    except Exception:  # noqa: BLE001 - whatever is wrong, a shell that completes must not print it
        return []


def _dataset_ids(incomplete: str) -> list[str]:
    from services.cli.lookup import dataset_ids

    return _completed(dataset_ids, incomplete)


def complete_batches(incomplete: str) -> list[str]:
    """The batches whose names begin so, for a shell."""
    from services.cli.lookup import batch_ids

    return _completed(batch_ids, incomplete)


def _recipe_names(incomplete: str) -> list[str]:
    from services.cli.lookup import recipe_names

    return _completed(recipe_names, incomplete)


AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for programs instead of text for people.")]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace", help="Put the files in the place of others that lie in the landing zone, unless a manifest waits for these."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Go the whole way, print the report that would be, and store nothing.")]
Batch = Annotated[
    str | None,
    typer.Argument(metavar="BATCH", help="A batch_id; without it, all batches.", autocompletion=complete_batches),
]
Version = Annotated[
    str,
    typer.Argument(
        metavar="DATASET[@N]", help="A dataset, or one version of it; without @N the current one.", autocompletion=_dataset_ids
    ),
]
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="A dataset.", autocompletion=_dataset_ids)]
RecipeName = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="A recipe or intent; without it, all.", autocompletion=_recipe_names),
]
Intent = Annotated[
    str,
    typer.Option(metavar="NAME", help="Recipe to apply; see `spatial-etl recipes`.", autocompletion=_recipe_names),
]
ManifestFile = Annotated[
    Path,
    typer.Argument(metavar="MANIFEST", help="The JSON file that describes the batch.", exists=True, dir_okay=False),
]
