"""A version as a table, page by page, sorted and filtered."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from libs.column_names import BBOX, GEOMETRY
from libs.models import Asset, Rejected
from libs.transformations.where import parse
from services.catalog.answers import Refused, only, url
from services.catalog.downloads import downloads_of
from services.catalog.features import as_text, quoted
from services.catalog.pages import PER_PAGE, SHOWN, render
from services.catalog.questions import MOST_PAGES, page_of, rows_of
from services.catalog.state import state_of

_CELL = 300
"""Characters of a cell that are shown."""


def table(request: Request) -> Response:
    """Rows of a version."""
    given = request.query_params
    only(given, ("where", "sort", "order", "page"))
    asset, text = rows_of(request), given.get("where", "").strip()
    names = [field.name for field in asset.table_schema if field.name not in {GEOMETRY, BBOX}]
    sort, order = given.get("sort", ""), given.get("order", "up")
    if sort and sort not in names:
        raise Refused(400, f"{asset.id} has no column {sort!r} to be sorted by.")
    if order not in {"up", "down"}:
        raise Refused(400, f"The parameter 'order' must be up or down; it is {order!r}.")
    number = page_of(given.get("page", "1"))
    condition = _condition(asset, text)
    features = state_of(request).features
    count = asset.features or 0 if condition is None else features.count(asset, condition)
    shown = names[:SHOWN]
    rows = features.rows(asset, shown, condition, sort, number, PER_PAGE, is_falling=order == "down")
    pages = min(MOST_PAGES, max(1, -(-count // PER_PAGE)))
    path, asked = f"/tables/{asset.dataset_id}/{asset.version}", {"where": text, "sort": sort, "order": order if sort else None}
    numbers = {field.name for field in asset.table_schema if field.type.startswith(("int", "uint", "float", "double", "decimal"))}
    return render(
        request,
        "table.html",
        asset=asset,
        columns=[(name, name in numbers) for name in shown],
        more_columns=len(names) - len(shown),
        rows=[(row, [_cell(value) for value in values]) for row, *values in rows],
        count=count,
        where=text,
        sort=sort,
        order=order,
        names=names,
        number=number,
        pages=pages,
        before=url("", path, **asked, page=number - 1) if number > 1 else None,
        after=url("", path, **asked, page=number + 1) if number < pages else None,
        downloads=downloads_of(asset, text),
        path_of_table=path,
    )


def _condition(asset: Asset, text: str) -> str | None:
    """A condition as SQL; None for none.

    Raises:
        Rejected: when it cannot be understood, or does not fit the columns.
    """
    from libs.transformations import Column, DuckDb
    from libs.transformations.conditions import predicate

    if not text:
        return None
    where = parse(text)
    columns = [Column(name=field.name, type=field.type) for field in asset.table_schema if field.name not in {GEOMETRY, BBOX}]
    if problems := list(where.problems(columns)):
        raise Rejected(problems)
    return predicate(where.condition, {column.name: (column, quoted(column.name)) for column in columns}, DuckDb())


def _cell(value: Any) -> str:
    text = as_text(value)
    return text if len(text) <= _CELL else f"{text[:_CELL]} …"
