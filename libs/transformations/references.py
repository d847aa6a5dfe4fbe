"""References in steps: ``{"$param": "name"}``, anywhere in a step, stands for the value of a recipe's parameter."""

from collections.abc import Iterator, Mapping
from typing import Any

from libs.transformations import conditions

REFERENCE = "$param"


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {REFERENCE}


def references(value: Any) -> Iterator[str]:
    """Names of the parameters that a value refers to."""
    if _is_reference(value):
        yield str(value[REFERENCE])
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from references(item)


def is_missing(value: Any, arguments: Mapping[str, Any]) -> bool:
    """Whether a value refers to a parameter without value."""
    return _is_reference(value) and value[REFERENCE] not in arguments


def resolve(value: Any, arguments: Mapping[str, Any]) -> Any:
    """The value with arguments for references. A key whose parameter has no value is left out."""
    if _is_reference(value):
        return arguments.get(value[REFERENCE])
    if isinstance(value, dict):
        return {key: resolve(item, arguments) for key, item in value.items() if not is_missing(item, arguments)}
    if isinstance(value, list):
        return [resolve(item, arguments) for item in value]
    return value


def place(step: dict[str, Any], location: tuple[int | str, ...], arguments: Mapping[str, Any], otherwise: str) -> str:
    """Where the uploader wrote what is wrong: in a parameter, if on the way to the place in the step there is a reference."""
    data: Any = step
    where, followed = otherwise, False
    for part in location:
        if isinstance(data, list) and isinstance(part, int):
            data, where = data[part] if part < len(data) else None, f"{where}[{part}]"
        elif isinstance(data, dict) and (part in data or (part == location[-1] and part not in conditions.FORMS)):
            data, where = data.get(part), f"{where}.{part}"
        if _is_reference(data) and not followed:
            where, followed = f"parameters.{data[REFERENCE]}", True
            data = arguments.get(data[REFERENCE])
    return where
