"""The README speaks of everything that there is."""

import re
from pathlib import Path

import pytest

from libs.models.settings import Settings
from libs.spatial_utils.formats import FORMATS
from libs.transformations import Registry
from services.cli.main import app

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`([^`\n]+)`", README))
WORDS = {word for code in CODE for word in code.split()}

COMMANDS = [command.callback.__name__.replace("_", "-") for command in app.registered_commands]
SETTINGS = [name.upper() for name in Settings.model_fields]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_mentioned(command):
    assert command in WORDS


@pytest.mark.parametrize("name", [entry.name for entry in FORMATS])
def test_every_format_is_mentioned(name):
    assert name in CODE


@pytest.mark.parametrize("name", [name for name in Registry().recipes if name != "default"])
def test_every_recipe_is_mentioned(name):
    assert name in CODE


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_mentioned(name):
    assert name in CODE


def test_the_defaults_are_as_said():
    said = re.findall(r"\| `(SPATIAL_ETL_\w+)` \| (\d+) \|", README)
    assert len(said) >= 6
    for name, default in said:
        assert Settings.model_fields[name.lower()].default == int(default), name
