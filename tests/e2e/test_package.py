"""What is built can be installed by itself, and does the main job where the extras and the checkout are missing."""

import email
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from libs.platform.extras import MODULES

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def run(*command: str | Path, cwd: Path, settings: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = ENVIRONMENT | {"HOME": str(cwd)} | (settings or {})
    return subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def built(source: Path, folder: Path) -> Path:
    """The wheel of a source tree, built by the locked backend without a look at any index."""
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    done = run(*pip, "--wheel-dir", folder, source, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("wheel") / "out")


def requirements(wheel: Path, *extras: str) -> Iterator[Requirement]:
    """What pip would install beside the wheel, from the wheel's own metadata."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        about = email.message_from_bytes(archive.read(name))
    for text in about.get_all("Requires-Dist", []):
        needed = Requirement(text)
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield needed


def closure(first: Iterator[Requirement]) -> set[str]:
    """Names of all distributions that follow from these requirements."""
    waiting, seen = [(item.name, frozenset(item.extras)) for item in first], set()
    while waiting:
        name, extras = item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        for text in distribution(name).requires or ():
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((needed.name, frozenset(needed.extras)))
    return {canonicalize_name(name) for name, _ in seen}


def link(name: str, site: Path) -> None:
    """Put an installed distribution into another environment: its own files, and no others."""
    of = distribution(name)
    for file in of.files or ():
        if ".." in file.parts or file.suffix == ".pyc":  # scripts; and what the other Python makes for itself
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(Path(str(of.locate_file(file))).resolve(), target)
        except OSError:  # another file system
            shutil.copy(str(of.locate_file(file)), target)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of the wheel and of what it requires without extras; gives the folder of its programs."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    (site,) = home.glob("lib/python3*/site-packages")
    for name in closure(requirements(wheel)):
        link(name, site)
    pip = (sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "--quiet", "--no-index", "--no-deps")
    done = run(*pip, wheel, cwd=home)
    assert done.returncode == 0, done.stderr
    return home / "bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder outside of the checkout, with a file to process."""
    shutil.copy(ROOT / "demo/data/town.gpkg", tmp_path)
    return tmp_path


def test_the_wheel_does_the_main_job_in_an_empty_environment(installed: Path, folder: Path) -> None:
    program = installed / "spatial-etl"
    done = run(program, "ingest", "town.gpkg", "--project", "Riverton", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["status"], [item["features"] for item in report["datasets"]]) == ("success", [144, 12])
    lineage = json.loads(run(program, "lineage", "riverton.town.roads", "--json", cwd=folder).stdout)
    assert re.fullmatch(r"\d+\.\d+\.\d+(\+g\w+(\.\w+)?)?", lineage["software"]["spatial-etl"])
    assert run(program, "replay", "riverton.town.roads", cwd=folder).returncode == 0


def test_the_wheel_was_not_read_from_the_checkout(installed: Path, folder: Path) -> None:
    look = "import libs, services, importlib.util as u, json; print(json.dumps([libs.__file__, *map(u.find_spec, names)]))"
    names = "names = ['botocore', 'minio', 'pymongo', 'adbc_driver_manager', 'dagster', 'geopandas', 'pytest']; "
    done = run(installed / "python", "-c", names + look, cwd=folder)
    file, *specs = json.loads(done.stdout)
    assert Path(file).is_relative_to(installed.parent)
    assert specs == [None] * 7


@pytest.mark.parametrize(
    ("extra", "command", "settings"),
    [
        ("s3", "process", {"MINIO_ENDPOINT": "127.0.0.1:9", "MINIO_ROOT_USER": "a", "MINIO_ROOT_PASSWORD": "b"}),
        ("s3", "admin init", {"MINIO_ENDPOINT": "127.0.0.1:9", "MINIO_ROOT_USER": "a", "MINIO_ROOT_PASSWORD": "b"}),
        ("mongodb", "datasets", {"MONGO_CONNECTION_STRING": "mongodb://127.0.0.1:9"}),
        ("postgis", "process", {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PASSWORD": "a"}),
        ("postgis", "admin init", {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PASSWORD": "a"}),
    ],
)
def test_a_setting_that_needs_an_extra(installed: Path, folder: Path, extra: str, command: str, settings: dict[str, str]) -> None:
    done = run(installed / "spatial-etl", *command.split(), cwd=folder, settings=settings)
    assert (done.returncode, done.stderr.count("Traceback")) == (3, 0), done.stderr
    assert f"pip install 'spatial-etl[{extra}]'" in done.stderr
    assert next(iter(settings)) in done.stderr


def test_dagster_that_is_not_installed(installed: Path, folder: Path) -> None:
    done = run(installed / "python", "-m", "services.dagster", cwd=folder)
    assert (done.returncode, done.stderr.count("Traceback")) == (2, 0), done.stderr
    assert "pip install 'spatial-etl[dagster]'" in done.stderr


def test_the_catalog_that_is_not_installed(installed: Path, folder: Path) -> None:
    done = run(installed / "spatial-etl", "serve", cwd=folder)
    assert (done.returncode, done.stderr.count("Traceback")) == (3, 0), done.stderr
    assert "pip install 'spatial-etl[catalog]'" in done.stderr


@pytest.mark.parametrize("extra", ["s3", "mongodb", "postgis", "dagster", "catalog"])
def test_an_extra_brings_what_is_imported_of_it(wheel: Path, extra: str) -> None:
    brought = closure(requirements(wheel, extra)) - closure(requirements(wheel))
    distributions = {"bson": "pymongo"}
    assert {canonicalize_name(distributions.get(module, module)) for module in MODULES[extra]} <= brought


def test_all_is_all_extras(wheel: Path) -> None:
    assert closure(requirements(wheel, "all")) == set().union(*(closure(requirements(wheel, extra)) for extra in MODULES))


def test_what_the_wheel_carries(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    data = {"services/minio/policies/pipeline.json", "services/mongodb/roles.json", "services/dagster/dagster.yaml"}
    data |= {"services/catalog/templates/base.html", "services/catalog/static/map.js"}
    assert names >= {"libs/py.typed", "services/py.typed", *data}
    assert not any(re.match(r"(tests|benchmarks|demo|docs)/|.*(AGENTS\.md|requirements.*\.txt)$", name) for name in names)
    of_tree = {path.relative_to(ROOT).as_posix() for top in ("libs", "services") for path in (ROOT / top).rglob("*.py")}
    assert of_tree <= names


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout of git")
def test_one_commit_has_one_version_in_every_clone(tmp_path: Path) -> None:
    def clone(name: str, *options: str) -> Path:
        done = run("git", "-c", "safe.directory=*", "clone", "--quiet", *options, f"file://{ROOT}", tmp_path / name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return tmp_path / name

    whole, shallow, tagged = clone("whole"), clone("shallow", "--depth", "1"), clone("tagged")
    assert run("git", "tag", "v9.9.9", cwd=tagged).returncode == 0
    names = {built(source, tmp_path / f"{source.name}-out").name for source in (whole, shallow, tagged)}
    commit = run("git", "rev-parse", "HEAD", cwd=whole).stdout[:9]
    (name,) = names
    assert re.fullmatch(rf"spatial_etl-\d+\.\d+\.\d+\+g{commit}-py3-none-any\.whl", name)


def test_a_source_distribution_keeps_the_version_and_a_bare_tree_has_the_release(tmp_path: Path, wheel: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(ROOT, bare, ignore=shutil.ignore_patterns(".*", "tests", "var"))
    release = re.match(r"spatial_etl-(\d+\.\d+\.\d+)", wheel.name)
    assert release is not None
    assert built(bare, tmp_path / "bare-out").name == f"spatial_etl-{release[1]}-py3-none-any.whl"
    done = run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (sdist,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(sdist, tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert built(source, tmp_path / "sdist-out").name == wheel.name
