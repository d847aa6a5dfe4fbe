"""A third dialect, of no engine: it spells everything that a dialect can be asked for in a way of its own."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from libs.transformations import Dialect

PREFIX = "stub_"
_STRUCTURE = {"engine_name", "identifier", "text", "judge_parts", "for_each_row"}
"""Of these, names are quoted, parts are judged and rows are looked up below; texts are as in SQL:2003."""


_TEXTS = {"pattern", "wkt", "crs"}
"""Arguments that are no SQL yet."""


def _made_up(name: str) -> Callable[..., str]:
    signature = inspect.signature(getattr(Dialect, name))

    def spell(self: Dialect, *arguments: Any, **named: Any) -> str:
        given = signature.bind(self, *arguments, **named).arguments
        words = [self.text(str(value)) if key in _TEXTS else str(value) for key, value in given.items() if key != "self"]
        return f"{PREFIX}{name}({', '.join(words)})"

    return spell


class _Structure:
    def identifier(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def judge_parts(
        self, geometry: str, measures: Mapping[str, str], part_class: str, verdict: Callable[[Callable[[int], str]], str]
    ) -> str:
        count = verdict(lambda number: f"{PREFIX}count({number})")
        return f"{PREFIX}judge_parts({geometry}, {', '.join(measures.values())}, {part_class}, {count})"

    def for_each_row(self, before: str, keys: Sequence[str], table: str, condition: str, values: Mapping[str, str]) -> str:
        found = ", ".join(f"{value} AS {name}" for name, value in values.items())
        return f"LEFT JOIN {PREFIX}for_each_row({before}, {', '.join(keys)}, {table}, {condition}, {found}) AS found ON 1 = 1"


_SPELLED = [name for name, _ in inspect.getmembers(Dialect, inspect.isfunction) if name not in _STRUCTURE and name[0] != "_"]

StubDialect: type[Dialect] = type(
    "StubDialect",
    (_Structure, Dialect),
    {name: _made_up(name) for name in _SPELLED}
    | {"name": "stub", "fence": f"{PREFIX}fence() AS _etl_fence", "infinity": f"{PREFIX}infinity()"}
    | {"infinite_point": f"{PREFIX}infinite_point()"},
)
