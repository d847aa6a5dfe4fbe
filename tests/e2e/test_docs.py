"""The documentation site: it builds, it needs no network, it has everything that there is, and its commands work as typed."""

import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from libs.models.codes import CODES
from libs.models.manifest import FileSpec, Manifest
from libs.models.quality import RULES
from libs.models.settings import Settings
from libs.spatial_utils.formats import FORMATS
from libs.transformations import Registry
from libs.transformations.raster import RASTER_STEPS
from libs.transformations.steps import STEPS
from services.cli.main import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
RUN = sorted({DOCS / "first-hour.md", *(DOCS / "how-to").glob("*.md")})
"""Pages whose commands are run; those that need a server show them as ``console``."""
BLOCK = re.compile(r"(?:<!-- exit (\d+) -->\n)?^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TO_THE_NETWORK = re.compile(
    r"""<(?:script|img|link|iframe|source|form)\b[^>]*?(?:src|href|action)=["']?(?:https?:)?//[^"'>]*|url\(["']?(?:https?:)?//[^)]*"""
    r"""|@import\s+["'](?:https?:)?//[^"']*"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, ""), done.stderr
    return folder


def codes_of(page: Path) -> set[str]:
    """What a page shows as code."""
    return {html.unescape(text) for text in re.findall(r"<code>(.*?)</code>", page.read_text())}


def headings_of(page: Path) -> set[str]:
    return set(re.findall(r'<h2 id="[^"]*">(.*?)<a', page.read_text()))


def test_the_site_needs_no_network(site: Path) -> None:
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    found = {page.name: TO_THE_NETWORK.findall(page.read_text()) for page in pages}
    assert {page: links for page, links in found.items() if links} == {}
    assert len(pages) > 20


@pytest.mark.parametrize(
    "text",
    [
        '<script defer src="https://example.org/a.js">',
        "<link rel=stylesheet href=//example.org/a.css>",
        '<img alt="x" src="http://example.org/a.png">',
        "a { background: url('https://example.org/a.png') }",
        '@import "https://example.org/a.css"',
    ],
)
def test_what_would_need_one_is_found(text: str) -> None:
    assert TO_THE_NETWORK.search(text)


def test_links_lead_to_files(site: Path) -> None:
    """As when the site is read from the disk: to a file, not to a folder."""
    for page in site.rglob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"#?:]+)(?:[#?][^"]*)?"', page.read_text()):
            assert page.name == "404.html" or (page.parent / html.unescape(target)).is_file(), f"{page.name}: {target}"


def test_search_works_without_a_server(site: Path) -> None:
    index = (site / "search/search_index.js").read_text()
    assert index.startswith("var __index")
    assert "crs_missing" in index
    assert 'src="assets/iframe-worker.js"' in (site / "index.html").read_text()


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("codes", CODES),
        ("settings", [name.upper() for name in Settings.model_fields]),
        ("formats", [entry.name for entry in FORMATS]),
        ("manifest", [item.alias or name for model in (Manifest, FileSpec) for name, item in model.model_fields.items()]),
    ],
)
def test_reference_pages_have_everything(site: Path, page: str, names: list[str]) -> None:
    assert set(names) - codes_of(site / f"reference/{page}.html") == set()


@pytest.mark.parametrize(("page", "names"), [("recipes", Registry().recipes), ("steps", STEPS | RASTER_STEPS), ("rules", RULES)])
def test_reference_pages_have_a_section_for_each(site: Path, page: str, names: list[str]) -> None:
    assert set(names) - headings_of(site / f"reference/{page}.html") == set()


def test_the_command_line_is_there_with_all_options(site: Path) -> None:
    page = site / "reference/cli.html"
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    below = {f"admin {name}" for name in commands["admin"].commands}
    assert {name for name in commands if name != "admin"} | below == headings_of(page)
    options = {option.opts[0] for command in commands.values() for option in command.params if option.param_type_name == "option"}
    shown = set(re.findall(r"--[\w-]+", " ".join(codes_of(page))))
    assert options - shown == set()


def test_no_meaning_is_missing(site: Path) -> None:
    for page in (site / "reference").glob("*.html"):
        for row in re.findall(r"<tr>\s*(<td>.*?)</tr>", page.read_text(), re.DOTALL):
            assert re.sub(r"<[^>]+>", "", re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)[-1]).strip(), f"{page.name}: {row}"


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_commands_work_as_typed(page: Path, tmp_path: Path) -> None:
    """One shell after the other in one folder, as the reader has it; what is shown as output is what comes out."""
    shutil.copytree(ROOT / "demo", tmp_path / "demo", ignore=shutil.ignore_patterns("var"))
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("SPATIAL_", "MINIO_", "MONGO_", "POSTGRES_"))
    }
    environment = {**inherited, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "200"}
    out = ""
    for code, kind, text in BLOCK.findall(page.read_text()):
        if kind == "text":
            assert text in out, f"{page.name} shows what did not come out. What came out:\n{out}"
            continue
        command = ["sh", "-e", "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == int(code or 0), f"{text}\n{done.stdout}\n{done.stderr}"
        out += done.stdout
