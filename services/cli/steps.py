"""The steps of a recipe and policies, as people read them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from libs.models import Policies
from libs.transformations.references import REFERENCE
from services.cli import output


def show(steps: Iterable[Mapping[str, Any]], indent: int = 0) -> None:
    """Print steps, numbered; a parameter's place is marked by ``$`` and its name."""
    number = 0
    for number, step in enumerate(steps, 1):
        settings = ", ".join(f"{key} = {value(setting)}" for key, setting in step.items() if key != "op")
        output.line(f"{number}. {step['op']}", output.text(f"  {settings}" if settings else "", "dim"), indent=indent)
    if not number:
        output.line("No step: the data stays as it is.", indent=indent)


def policies(*levels: Mapping[str, Any]) -> str:
    """The policies that are given, or empty.

    Args:
        levels: Who may give them, the one that wins first; other keys are passed over.
    """
    said: dict[str, Any] = {}
    for name in Policies.model_fields:
        for policy in (level[name] for level in reversed(levels) if level.get(name) is not None):
            both = isinstance(policy, Mapping) and isinstance(said.get(name), Mapping)
            said[name] = {**said[name], **policy} if both else policy
    return ", ".join(f"{name} = {value(policy)}" for name, policy in said.items())


def value(setting: Any) -> str:
    """A value as a manifest spells it; a text alone without its quotes."""
    plain = _with_names(setting)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _with_names(setting: Any) -> Any:
    if isinstance(setting, Mapping):
        if setting.keys() == {REFERENCE}:
            return f"${setting[REFERENCE]}"
        return {key: _with_names(item) for key, item in setting.items()}
    return [_with_names(item) for item in setting] if isinstance(setting, list | tuple) else setting
