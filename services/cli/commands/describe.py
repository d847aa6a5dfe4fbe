"""``describe``, ``retire``, ``restore``: what people say of a dataset, without a new version."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.options import AsJson, Dataset

if TYPE_CHECKING:
    from libs.models import Description

By = Annotated[str | None, typer.Option(metavar="NAME", help="Who decides it.", show_default="user name")]


def describe(
    dataset: Dataset,
    *,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="What people call it.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="WORD", help="A word by which it is found. Repeatable.")] = None,
    contact: Annotated[str | None, typer.Option(metavar="TEXT", help="Whom to ask.")] = None,
    licence: Annotated[str | None, typer.Option(metavar="TEXT", help="Under which it may be used: CC-BY-4.0.")] = None,
    attribution: Annotated[str | None, typer.Option(metavar="TEXT", help="What whoever uses it has to name.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Show what was said when, and by whom.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Say what a dataset is, or show what is said of it. No version and no file changes; "" takes something back.

    What is given replaces what was said; all tags are given together.
    """
    texts = {"title": title, "description": description, "contact": contact, "licence": licence, "attribution": attribution}
    said: dict[str, Any] = {name: text.strip() or None for name, text in texts.items() if text is not None}
    if tag is not None:
        said["tags"] = tuple(filter(None, map(str.strip, tag)))
    if history and said:
        raise typer.BadParameter("It shows what was said. Leave it out to say something.", param_hint="--history")
    if said:
        _decide(dataset, said, by, as_json=as_json)
    else:
        _show(dataset, history=history, as_json=as_json)


def retire(
    dataset: Dataset,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, and what to use instead.")],
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Take a dataset out of use: it is not listed, and takes no deliveries. Its versions stay, and may be read and named."""
    if not reason.strip():
        raise typer.BadParameter("Say why, and what to use instead.", param_hint="--reason")
    _decide(dataset, {"retired": reason}, by, as_json=as_json)


def restore(dataset: Dataset, *, by: By = None, as_json: AsJson = False) -> None:
    """Take a dataset that was retired into use again."""
    _decide(dataset, {"retired": None}, by, as_json=as_json)


def _decide(dataset: str, said: dict[str, Any], by: str | None, *, as_json: bool) -> None:
    from libs.models.settings import Settings
    from libs.pipeline import describing
    from libs.platform import open_lake
    from services.cli import output
    from services.cli.commands.catalog import find_asset
    from services.cli.delivery import user
    from services.cli.place import opened_ledger

    with opened_ledger() as ledger:
        asset, settings = find_asset(ledger, dataset), Settings()
        decision = describing.describe(settings, open_lake(settings), ledger, asset.dataset_id, said, by or user())
        last = decision or ledger.descriptions(asset.dataset_id).get(asset.dataset_id)
    if as_json:
        output.emit_json({"dataset_id": asset.dataset_id, "changed": decision is not None, "description": last})
        return
    output.line(output.text(asset.dataset_id, "bold"), "" if decision else "  Nothing changed: that is said of it already.")
    if last is not None:
        output.facts(facts_of(last))


def _show(dataset: str, *, history: bool, as_json: bool) -> None:
    from services.cli import output
    from services.cli.commands.catalog import find_asset
    from services.cli.place import opened_ledger

    with opened_ledger() as ledger:
        asset = find_asset(ledger, dataset)
        decisions = ledger.said_of(asset.dataset_id)
    shown = decisions if history else decisions[-1:]
    if as_json:
        output.emit_json(shown if history else {"dataset_id": asset.dataset_id, "description": shown[0] if shown else None})
        return
    output.line(output.text(asset.dataset_id, "bold"), "" if shown else "  Nothing is said of it.")
    for each in shown:
        if history:
            output.line(output.text(f"{each.number}. {each.decided_by}, {output.when(each.decided_at)}", "dim"))
        output.facts(facts_of(each))


def facts_of(description: "Description | None") -> list[tuple[str, object]]:
    """What is said of a dataset, for a list of facts; without what is not said."""
    if description is None:
        return []
    about = description.about.model_dump() | {"tags": ", ".join(description.about.tags)}
    return [(name, text) for name, text in about.items() if text]
