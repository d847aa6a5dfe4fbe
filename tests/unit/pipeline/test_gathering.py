"""What of a folder is delivered."""

import os
import shutil
from pathlib import Path

import pytest

from libs.pipeline.gathering import gather
from libs.pipeline.upload import DeliveryError

DEMO = Path(__file__).parents[3] / "demo" / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    (made / "sub" / "deep").mkdir(parents=True)
    return made


def found(folder: Path, *own: Path) -> tuple[list[str], dict[str, str]]:
    gathered = gather(folder, {place.resolve() for place in own})
    named = [path.relative_to(folder).as_posix() for path in gathered.files]
    return named, {path.relative_to(folder).as_posix(): why for path, why in gathered.left_out}


def test_data_is_found_in_all_folders_with_sidecars_and_folders_that_are_files(folder):
    shutil.copy(DEMO / "parks.geojson", folder / "sub" / "deep" / "parks.geojson")
    for suffix in (".shp", ".shx", ".dbf", ".prj", ".cpg"):
        shutil.copy(DEMO / f"cut_off/districts{suffix}", folder / f"sub/districts{suffix}")
    shutil.copy(DEMO / "cut_off/districts.dbf", folder / "alone.dbf")
    (folder / "net.gdb").mkdir()
    (folder / "net.gdb" / "a00000001.gdbtable").touch()
    shutil.copy(DEMO / "trees.csv", folder)
    (folder / "broken.geojson").touch()
    assert found(folder) == (
        ["alone.dbf", "broken.geojson", "net.gdb", "sub/deep/parks.geojson", "sub/districts.shp", "trees.csv"],
        {},
    )


def test_what_is_left_out_is_told_with_the_reason(folder, tmp_path):
    (folder / "plan.pdf").write_bytes(b"%PDF-1.4")
    (folder / "ReadMe.txt").write_text("a,b\n1,2\n")
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / ".DS_Store").touch()
    (folder / ".git").mkdir()
    (folder / ".git" / "a.geojson").touch()
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(DEMO / "parks.geojson", outside)
    (folder / "link.geojson").symlink_to(outside / "parks.geojson")
    (folder / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "var" / "data-lake").mkdir(parents=True)
    shutil.copy(DEMO / "parks.geojson", folder / "var" / "data-lake")
    (folder / "geodatabase").mkdir()
    (folder / "geodatabase" / "a00000001.gdbtable").touch()
    os.mkfifo(folder / "pipe.csv")
    files, left_out = found(folder, folder / "var")
    assert files == []
    assert left_out == {
        "plan.pdf": "a document", "ReadMe.txt": "a document", "photo.png": "a PNG picture without a world file",
        ".DS_Store": "hidden", ".git": "hidden", "link.geojson": "a link", "linked": "a link", "loop": "a link",
        "var": "the platform's own", "geodatabase": "a FileGDB whose name does not end in .gdb", "pipe.csv": "no file",
    }  # fmt: skip


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(DeliveryError, match="nowhere cannot be listed: No such file"):
        gather(tmp_path / "nowhere")
