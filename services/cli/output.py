"""What people see: one console, and the words for sizes, times and numbers.

Texts that come from files (layer names, values in messages) never reach the terminal raw: :mod:`libs.raw_text` makes them inert,
and nothing is read as markup.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from libs.platform.wording import NO_MANIFEST, count, size
from libs.raw_text import inert, inert_json
from services.cli import streams

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from libs.models import Problem

__all__ = [
    "NO_MANIFEST", "aside", "count", "emit_json", "emit_json_line", "extent", "facts", "finding", "line", "note", "problems",
    "seconds", "short_crs", "size", "table", "text", "when",
]  # fmt: skip

PIPE_WIDTH = 160
"""Columns where there is no terminal to ask: wide enough that a table in a log keeps one line a row."""

STYLES = {"success": "green", "rejected": "red", "failure": "red", "lost": "yellow", "running": "cyan", "queued": "cyan"}


@cache
def console() -> "Console":
    """The console of the standard output."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(width=width, markup=False, highlight=False, emoji=False)


def _show(*renderables: "RenderableType") -> None:
    """Print to the standard output; into a file or a pipe without the blanks that fill a table's lines."""
    terminal = console()
    if terminal.is_terminal:
        terminal.print(*renderables)
        return
    with terminal.capture() as captured:
        terminal.print(*renderables)
    sys.stdout.write("".join(line.rstrip() + "\n" for line in captured.get().splitlines()))
    sys.stdout.flush()  # whoever follows a log of `watch` wants a report when it is made


def emit_json(value: Any) -> None:
    """Write a model, a list of models or plain data as one JSON document."""
    sys.stdout.write(inert_json(json.dumps(value, default=_plain, indent=2, ensure_ascii=False)) + "\n")


def emit_json_line(value: Any) -> None:
    """Write one line of a stream of JSON documents, at once."""
    sys.stdout.write(inert_json(json.dumps(value, default=_plain, ensure_ascii=False)) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump is not None else str(value)


def text(value: object, style: str = "") -> "Text":
    """A piece of text that is shown as it is: no markup, no terminal control, no line break."""
    from rich.text import Text

    return Text(inert(str(value)), style)


def line(*parts: "object | Text", indent: int = 0) -> None:
    """Print parts as one paragraph, an empty line without any; what wraps stays under the indentation."""
    from rich.padding import Padding
    from rich.text import Text

    if not parts:
        _show("")
        return
    paragraph = Text.assemble(*(part if isinstance(part, Text) else text(part) for part in parts))
    _show(Padding(paragraph, (0, 0, 0, indent), expand=False))


def aside(said: str) -> None:
    """Say something beside the result, on the standard error, so that a program that reads the result does not meet it."""
    streams.say(inert(said))


def note(said: str | None) -> None:
    """Print what should not be overlooked, if there is anything."""
    if said is not None:
        line(text(f"! {said}", "yellow"))


def table(columns: Sequence[str], rows: Iterable[Sequence["object | RenderableType"]], *, right: Sequence[str] = ()) -> None:
    """Print a table.

    Args:
        columns: Headings.
        rows: A cell may be text or anything that Rich can show.
        right: Headings of the columns that are set flush right: numbers.
    """
    from rich.table import Table

    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        # The first column is what one copies from a table: it stays whole, the others wrap.
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold", no_wrap=column == columns[0])
    for row in rows:
        grid.add_row(*(cell if hasattr(cell, "__rich_console__") else text(cell) for cell in row))
    _show(grid)


def facts(pairs: Iterable[tuple[str, object]], indent: int = 2) -> None:
    """Print names and values in two columns; a value that wraps stays in its column."""
    from rich.padding import Padding
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(text(name, "dim"), value if hasattr(value, "__rich_console__") else text(value))
    _show(Padding(grid, (0, 0, 0, indent), expand=False))


def finding(mark: str, style: str, name: str, found: str, remedy: str) -> None:
    """Print one finding of a list: mark, name, what was found, and what to do about it, if anything."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 1))
    grid.add_column()
    grid.add_column(min_width=9)
    grid.add_column(overflow="fold")
    grid.add_row(text(mark, f"bold {style}"), text(name, "bold"), text(found))
    if remedy:
        grid.add_row("", "", text(f"→ {remedy}", "cyan"))
    _show(grid)


def problems(found: Sequence["Problem"], *, style: str) -> None:
    """Print a problem list: where, what, what to do, and the code to look for."""
    from rich.padding import Padding
    from rich.table import Table

    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right")
    grid.add_column(overflow="fold")
    for number, problem in enumerate(found, 1):
        grid.add_row(text(f"{number}.", style), text(problem.where, "bold") + text(f"  {problem.code}", "dim"))
        grid.add_row("", text(problem.message))
        grid.add_row("", text(f"→ {problem.remedy}", "cyan"))
    if found:
        _show(Padding(grid, (0, 0, 0, 2), expand=False))


def when(moment: datetime, now: datetime | None = None) -> str:
    """A time as people say it: ``just now``, ``5 min ago``, ``3 h ago``, and after a day the local date and time."""
    age = (now or datetime.now(UTC)) - moment
    if timedelta(seconds=-5) <= age < timedelta(minutes=1):
        return "just now"
    if timedelta(0) <= age < timedelta(hours=1):
        return f"{age // timedelta(minutes=1)} min ago"
    if timedelta(0) <= age < timedelta(days=1):
        return f"{age // timedelta(hours=1)} h ago"
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def seconds(duration: float) -> str:
    """A duration: ``0.42 s``, ``12.3 s``, ``3 min 20 s``."""
    if duration < 10:  # noqa: PLR2004 - below ten, two decimals say something
        return f"{duration:.2f} s"
    if duration < 60:  # noqa: PLR2004 - a minute
        return f"{duration:.1f} s"
    return f"{int(duration) // 60} min {int(duration) % 60} s"


def extent(bbox: Sequence[float] | None) -> str:
    """A bounding box for reading, not for computing: seven significant digits."""
    return "-" if bbox is None else "  ".join(f"{value:.7g}" for value in bbox)


def short_crs(crs: str | None) -> str:
    """A CRS in a table cell: its code, or the name in its WKT."""
    if crs is None:
        return "-"
    return crs.split('"')[1] if "[" in crs and crs.count('"') > 1 else crs
