"""The shape of the worker: ``ogr/`` knows no format, and every reader that the registry names is there."""

import importlib.util
import re
from pathlib import Path

import pytest

from libs.spatial_utils.formats import FORMATS

WORKER = Path(__file__).parents[3] / "libs" / "spatial_utils" / "worker"
NAMES = sorted({name.casefold() for entry in FORMATS for name in (entry.driver, entry.name, entry.reader) if name})
A_NAME = re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, NAMES))})(?![a-z])")
WITHIN_A_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _named(module: Path) -> list[str]:
    """The formats and drivers that a module names anywhere, in comments, too: as words, and as parts of identifiers."""
    text = module.read_text(encoding="utf-8")
    spellings = (text, WITHIN_A_WORD.sub(" ", text))
    return [found[0] for spelling in spellings for found in A_NAME.finditer(spelling.casefold())]


@pytest.mark.parametrize("module", sorted((WORKER / "ogr").glob("*.py")), ids=lambda module: module.stem)
def test_no_module_of_ogr_names_a_format_or_a_driver(module: Path) -> None:
    assert _named(module) == []


@pytest.mark.parametrize(
    "source", ["DRIVER = 'GPKG'", "# as in GML", "class GmlLayer: ...", "def dxf_text(): ...", "x = 'ESRI Shapefile'"]
)
def test_a_name_is_found_wherever_it_stands(source: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(source, encoding="utf-8")
    assert _named(module)


def test_the_readers_that_the_registry_names_are_the_folders_that_there_are() -> None:
    folders = {folder.name for folder in (WORKER / "formats").iterdir() if (folder / "__init__.py").exists()}
    assert {entry.reader for entry in FORMATS} - {""} == folders
    assert all(importlib.util.find_spec(f"libs.spatial_utils.worker.formats.{folder}.reader") for folder in folders)


def test_a_format_without_a_reader_has_a_driver() -> None:
    assert all(entry.driver and entry.register for entry in FORMATS if not entry.reader)
