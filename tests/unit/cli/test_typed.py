"""A problem of a manifest, told to somebody who has typed files and options."""

import ast
import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from libs.models import Problem, Rejected
from services.cli import delivery, typed
from services.cli.main import app

ROOT = Path(__file__).parents[3]
INGEST = typer.main.get_command(app).commands["ingest"]
FILES = ["data/roads.shp", "my trees.csv"]


def told(where="files[0]", remedy="", message=""):
    return typed.spelled(Problem(code="c", where=where, message=message, remedy=remedy), FILES)


@pytest.mark.parametrize(
    ("remedy", "said"),
    [
        (
            'Write "crs": "EPSG:4326" (or what it is) for this file in the manifest; write "crs": "none" if they are local.',
            "Type --crs EPSG:4326 (or what it is); type --crs none if they are local.",
        ),
        ('Or: write "on_bad_value": "null" in the manifest.', "Or: type --on-bad-value null."),
        ('If so, write "replace_crs": true in the manifest.', "If so, type --replace-crs."),
        ('Write "max_set_aside": 7 in the manifest.', "Type --max-set-aside 7."),
        ('Write "format": "ESRI Shapefile".', "Type --format 'ESRI Shapefile'."),
        ('write "layer": "it\'s \\"x\\"", "dataset_id": "a_2".', "type --layer 'it'\"'\"'s \"x\"' --dataset-id a_2."),
        ('write "options": {"x": "lon", "y": "lat"}.', "type --x lon --y lat."),
        ('write "options": {"null_values": ["NA", "-9"]}.', "type --null-value NA --null-value=-9."),
        ('write "intent": "select", "parameters": {"without": ["a"]}.', "type --intent select --param 'without=[\"a\"]'."),
        ("or use the intent 'raw'. The intent 'raw' keeps it.", "or use --intent raw. --intent raw keeps it."),
        ('write "parameters": {"a": "5", "b": "x"}.', "type --param 'a=\"5\"' --param b=x."),
        ("Set 'options.delimiter', or leave 'layer' out.", "Set --delimiter, or leave --layer out."),
        ("Give 'crs' in the manifest.", "Give --crs."),
        # No option says these, or they are no settings.
        ('Write "type": "vector".', 'Write "type": "vector".'),
        ("Write 'kind' where {\"a\": b} stands in the manifest.", "Write 'kind' where {\"a\": b} stands in the manifest."),
        (
            'A feature has "type": "Feature" and "geometry": an object.',
            'A feature has "type": "Feature" and "geometry": an object.',
        ),
    ],
)
def test_remedies_name_options_and_can_be_copied(remedy, said):
    assert told(remedy=remedy).remedy == said


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("files[0]: layer roads, feature 17", "data/roads.shp: layer roads, feature 17"),
        ("files[1].crs", "my trees.csv, --crs"),
        ("files[1].options.header", "my trees.csv, --header"),
        ("files[1].options", "my trees.csv"),
        ("files[0].path", "data/roads.shp"),
        ("files[7].crs", "files[7], --crs"),
        ("parameters.tolerance", "--param tolerance"),
        ("metadata.project", "--project"),
        ("batch_id", "--batch-id"),
        ("dataset files[0]", "dataset files[0]"),
    ],
)
def test_places_are_files_and_options(where, said):
    assert told(where).where == said


def test_a_message_names_other_files_and_leaves_what_it_quotes():
    assert told(message="'crs' is a column; it is already files[1].").message == "'crs' is a column; it is already my trees.csv."


def test_what_is_wrong_with_options_is_told_in_their_words():
    with pytest.raises(Rejected) as raised, typed.rejections_spelled(FILES):
        raise Rejected.because("crs_missing", "files[1].crs", "m", "Add 'crs'.")
    assert [(each.where, each.remedy) for each in raised.value.problems] == [("my trees.csv, --crs", "Add --crs.")]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), st.sampled_from(["layer", "crs"]))
def test_any_value_is_quoted_for_the_shell(value, key):
    said = told(remedy=f"Write {json.dumps({key: value})[1:-1]} in the manifest.").remedy
    assert shlex.split(said[len("Type ") : -1]) in ([f"--{key}", value], [f"--{key}={value}"])


@given(st.text() | st.integers() | st.lists(st.booleans()))
def test_a_parameter_is_read_back_as_it_was(value):
    assert delivery.parameters([f"a={typed._parameter(value)}"]) == {"a": value}


def test_every_option_that_is_told_exists():
    assert set(typed.OPTIONS.values()) <= {name for parameter in INGEST.params for name in parameter.opts}


def test_no_remedy_of_the_product_speaks_of_options():
    """They are the command line's own words; whoever wrote a manifest has none."""
    options = re.compile(rf"(?<![\w-])(?:{'|'.join(typed.OPTIONS.values())})(?![\w-])")
    found = []
    for path in (ROOT / "libs").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
        found += [f"{path.name}:{node.lineno}" for node in texts if id(node) not in prose and options.search(node.value)]
    assert found == []
