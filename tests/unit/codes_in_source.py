"""Finds the problem and warning codes that the source uses, by reading it: nothing is imported, so that the worker is read, too.

A *sink* is a function with parameters ``code`` and ``remedy``, or a class with such fields. Each call of a sink must give its
code in a way that can be followed: a string, a name bound to strings in its module, or the caller's own parameter ``code``.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
Sinks = dict[str, set[tuple[int, int]]]
"""Of each name: at which position a code is given, and how many arguments there are at least."""


class CannotFollowError(Exception):
    """A code is given in a way that this reader does not understand."""


def codes_in(folders: Iterable[Path]) -> dict[str, dict[str, str]]:
    """Every code with the places (``file:line``) where it is used, and the name of what takes it there.

    Raises:
        CannotFollowError: for a call whose code cannot be followed.
    """
    modules = {path: ast.parse(path.read_text()) for folder in folders for path in sorted(folder.rglob("*.py"))}
    sinks: Sinks = defaultdict(set)
    for tree in modules.values():
        for name, place in _sinks(tree):
            sinks[name].add(place)
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for path, tree in modules.items():
        for line, code, sink in _Module(path, tree).codes(sinks):
            found[code][f"{path.relative_to(ROOT)}:{line}"] = sink
    return dict(found)


def _sinks(tree: ast.AST) -> Iterator[tuple[str, tuple[int, int]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            yield from _sink(node.name, [item.arg for item in node.args.args], len(node.args.defaults))
        if isinstance(node, ast.ClassDef):
            fields = [item for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
            optional = sum(item.value is not None for item in fields)
            yield from _sink(node.name, [getattr(item.target, "id", "") for item in fields], optional)
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                    yield from _sink(node.name, [argument.arg for argument in item.args.args], len(item.args.defaults))


def _sink(name: str, parameters: Sequence[str], optional: int) -> Iterator[tuple[str, tuple[int, int]]]:
    own = [parameter for parameter in parameters if parameter not in {"self", "cls"}]
    if {"code", "remedy"} <= set(own):
        yield name, (own.index("code"), len(own) - optional)


class _Module:
    def __init__(self, path: Path, tree: ast.Module) -> None:
        self._path, self._tree = path, tree
        self._parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def codes(self, sinks: Sinks) -> Iterator[tuple[int, str, str]]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call):
                yield from self._given(node, sinks)
            if isinstance(node, ast.ClassDef):  # a class's own: `code = "service_unavailable"`
                for item in node.body:
                    if isinstance(item, ast.Assign) and getattr(item.targets[0], "id", "") == "code":
                        yield from ((line, code, node.name) for line, code in self._strings(item.value))

    def _given(self, call: ast.Call, sinks: Sinks) -> Iterator[tuple[int, str, str]]:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        count = len(call.args) + len(call.keywords)
        places = [position for position, least in sinks.get(name, ()) if count >= least]
        by_keyword = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
        given = by_keyword or [call.args[place] for place in places if place < len(call.args)]
        failures, codes = [], []
        for value in given if places else ():  # a name that several classes use has several places
            try:
                codes += [
                    (line, text) for line, text in self._strings(value) if len(given) == 1 or re.fullmatch("[a-z0-9_]+", text)
                ]
            except CannotFollowError as failure:
                failures.append(failure)
        if failures and len(failures) == len(given):
            raise failures[0]
        yield from ((line, code, name) for line, code in codes)

    def _strings(self, value: ast.expr) -> Iterator[tuple[int, str]]:
        match value:
            case ast.Constant(value=str(code)):
                yield value.lineno, code
            case ast.IfExp():
                yield from self._strings(value.body)
                yield from self._strings(value.orelse)
            case ast.Attribute(attr="code") | ast.Subscript(slice=ast.Constant(value="code")):
                return  # handed on: it was found where it was made
            case ast.Name(id=name):
                yield from self._bound(name, value)
            case _:
                raise CannotFollowError(f"{self._path}:{value.lineno}: {ast.unparse(value)}")

    def _bound(self, name: str, use: ast.expr) -> Iterator[tuple[int, str]]:
        node: ast.AST | None = use
        while node := self._parents.get(node):  # type: ignore[arg-type]
            if isinstance(node, ast.For) and (values := list(self._values(node, name))):
                for value in values:
                    yield from self._strings(value)
                return
            if isinstance(node, ast.FunctionDef) and name in {argument.arg for argument in node.args.args}:
                if name == "code":
                    return  # a sink itself: its calls are read
                raise CannotFollowError(
                    f"{self._path}:{use.lineno}: call the parameter {name!r} 'code', so that its calls are found"
                )
        values = [value for node in ast.walk(self._tree) for value in self._values(node, name)]
        if not values:
            values = [value for module in self._imported(name) for node in ast.walk(module) for value in self._values(node, name)]
        if not values:
            raise CannotFollowError(f"{self._path}:{use.lineno}: {name}")
        for value in values:
            yield from self._strings(value)

    def _values(self, node: ast.AST, name: str) -> Iterator[ast.expr]:
        """What a statement binds to a name."""
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _matched(target, node.value, name)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from _matched(node.target, node.value, name)
        elif isinstance(node, ast.For | ast.comprehension) and isinstance(node.iter, ast.Name):
            for table in ast.walk(self._tree):
                for rows in self._values(table, node.iter.id) if not isinstance(table, ast.For | ast.comprehension) else ():
                    for row in getattr(rows, "elts", ()):
                        yield from _matched(node.target, row, name)

    def _imported(self, name: str) -> Iterator[ast.Module]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.ImportFrom) and node.module and name in {alias.name for alias in node.names}:
                place = ROOT.joinpath(*node.module.split("."))
                for path in (*place.glob("*.py"), place.with_suffix(".py")):
                    if path.exists():
                        yield ast.parse(path.read_text())


def _matched(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for one, of in zip(target.elts, value.elts, strict=True):
            yield from _matched(one, of, name)
