import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from libs.models import Rejected, ServiceUnavailable
from libs.models.settings import Settings
from libs.platform import open_lake, open_landing_zone, open_ledger, open_registry, open_stack


def settings(home: Path, **more: object) -> Settings:
    return Settings(spatial_etl_home=home, _env_file=None, **more)


def test_everything_lies_below_the_home(tmp_path: Path) -> None:
    with open_stack(settings(tmp_path / "home")) as stack:
        stack.engine.warm_up()
        assert stack.landing.store.root == tmp_path / "home/landing-zone"
        assert stack.lake.store.root == tmp_path / "home/data-lake"
        assert stack.scratch == tmp_path / "home/scratch"
    assert sorted(path.name for path in (tmp_path / "home").iterdir() if not path.name.startswith("ledger.sqlite-")) == [
        "data-lake", "landing-zone", "ledger.sqlite", "scratch",
    ]  # fmt: skip
    assert list((tmp_path / "home/scratch").iterdir()) == []


def test_settings_choose(tmp_path: Path) -> None:
    chosen = settings(
        tmp_path, minio_landing_bucket="in", minio_lake_bucket="out", spatial_etl_scratch=tmp_path / "fast",
        spatial_etl_lease_seconds=7, spatial_etl_read_memory_mb=333, spatial_etl_read_seconds=44, spatial_etl_max_unpacked_mb=55,
        spatial_etl_max_expansion=66,
    )  # fmt: skip
    with open_stack(chosen) as stack:
        assert (stack.landing.bucket, stack.lake.store.bucket) == ("in", "out")
        assert stack.scratch == tmp_path / "fast"
        assert stack.ledger.lease_seconds == 7
        assert (stack.limits.memory_mb, stack.limits.seconds, stack.limits.unpacked_mb) == (333, 44, 55)
        assert stack.limits.expansion == 66


def test_parts_can_be_had_one_by_one(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    open_landing_zone(chosen).store.put("a", b"1")
    open_lake(chosen).store.put("a", b"2")
    ledger = open_ledger(chosen)
    assert list(ledger.assets()) == []
    ledger.store.close()
    assert "default" in open_registry(chosen).recipes


def test_recipes_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/mine.yaml").write_text("name: mine\ndescription: Mine.\nsteps: [{op: repair}]\n")
    (tmp_path / "recipes/notes.txt").write_text("not a recipe")
    assert "mine" in open_registry(settings(tmp_path)).recipes


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere"), os.mkfifo], ids=["folder", "link", "pipe"])
def test_what_is_called_as_a_recipe_and_is_no_file_is_named(make: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    make(tmp_path / "recipes/mine.yaml")
    (broken,) = open_registry(settings(tmp_path)).broken
    assert [(problem.where, problem.message) for problem in broken.problems] == [("mine.yaml", "It is not a file.")]


def test_a_folder_of_recipes_that_is_none_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", Path("/dev/null")):
        with pytest.raises(ServiceUnavailable, match=f"{folder}.*Check SPATIAL_ETL_RECIPES"):
            open_registry(settings(tmp_path, spatial_etl_recipes=folder))


@pytest.mark.parametrize(
    "content",
    ["name: x\ndescription: !!bool maybe\n", "name: [", "name: mine", "- a", "", "name: default\ndescription: Mine.\n", b"\xff"],
)
def test_a_recipe_that_is_none_breaks_itself_only(content: str | bytes, tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/mine.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "recipes/other.yaml").write_text("name: other\ndescription: Another.\n")
    with open_stack(settings(tmp_path)) as stack:
        assert stack.registry.for_intent("other")[0].description == "Another."
        assert stack.registry.for_intent("default")[0].description != "Mine."
        (broken,) = stack.registry.broken
        assert broken.problems[0].where.startswith("mine.yaml")
        if broken.name != "default":
            with pytest.raises(Rejected):
                stack.registry.for_intent(broken.name)


def test_looking_something_up_waits_for_no_engine(tmp_path: Path) -> None:
    """Nor for anything else that is heavy: each would cost more than the look itself."""
    look = (
        "import sys; from pathlib import Path; from libs.platform import open_ledger; from libs.models.settings import Settings\n"
        f"list(open_ledger(Settings(spatial_etl_home=Path({str(tmp_path)!r}), _env_file=None)).assets())\n"
        "print(*sorted({'duckdb', 'pyarrow', 'pyproj', 'pyogrio', 'numpy', 'pandas', 'pymongo'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split() == []


def test_s3_is_opened_without_a_word_to_it_and_imported_only_when_chosen(tmp_path: Path) -> None:
    look = (
        "import sys; from pathlib import Path; from libs.platform import open_lake; from libs.models.settings import Settings\n"
        f"settings = dict(spatial_etl_home=Path({str(tmp_path)!r}), _env_file=None)\n"
        "open_lake(Settings(**settings)); print('botocore' in sys.modules)\n"
        "server = dict(minio_endpoint='127.0.0.1:1', minio_root_user='u', minio_root_password='p')\n"
        "print(open_lake(Settings(**settings, **server)).uri('a'), 'botocore' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MINIO_")}
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, env=environment).stdout
    assert said.splitlines() == ["False", "s3://data-lake/a True"]
