"""YAML as version 1.2 has it, which agrees with JSON: ``no`` is a text, so is ``2024-01-31``, and no key stands twice."""

import re
from collections.abc import Callable
from typing import Any

import yaml


def parse_yaml(text: str) -> Any:
    """The one document of a YAML text, as JSON values.

    Raises:
        ValueError: when it is not YAML, with the place.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with fewer types
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error


class _Loader(yaml.SafeLoader):
    """The core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is no text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _constructor(
    type_name: str, pattern: re.Pattern[str], value: Callable[[str], Any]
) -> Callable[[_Loader, yaml.ScalarNode], Any]:
    """Makes the value of a scalar of a type, which perhaps only its tag names."""

    def construct(loader: _Loader, node: yaml.ScalarNode) -> Any:
        text = loader.construct_scalar(node)
        if not pattern.fullmatch(text):
            raise yaml.constructor.ConstructorError(None, None, f"{text!r} is no {type_name}", node.start_mark)
        return value(text)

    return construct


_CORE = "tag:yaml.org,2002:"
# The constructors that are left: PyYAML's others fail in ways of their own at what is not what its tag says.
_Loader.yaml_constructors = {
    tag: yaml.SafeLoader.yaml_constructors[tag] for tag in (f"{_CORE}str", f"{_CORE}seq", f"{_CORE}map", None)
}
for _kind, _pattern, _first, _value in (
    ("null", r"|~|null|Null|NULL", ["~", "n", "N", ""], lambda _: None),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF"), lambda text: text.lower() == "true"),
    ("int", r"[-+]?[0-9]+", list("-+0123456789"), int),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789"), float),
):
    _whole = re.compile(f"^(?:{_pattern})$")
    _Loader.add_implicit_resolver(_CORE + _kind, _whole, _first)
    _Loader.add_constructor(_CORE + _kind, _constructor(_kind, _whole, _value))
