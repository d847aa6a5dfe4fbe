import io
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.models import Rejected
from libs.spatial_utils.archive import ArchiveLimits, unpack
from tests.sampling import examples

LIMITS = ArchiveLimits(unpacked_bytes=1_000_000, entries=10, depth=4)


def archive(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in entries:
            opened.writestr(name, content)
    return path


def refused(path: Path, limits: ArchiveLimits = LIMITS) -> str:
    with pytest.raises(Rejected) as caught:
        unpack(path, path.with_suffix(".unpacked"), "files[0]", limits)
    (problem,) = caught.value.problems
    assert problem.where == "files[0]"
    assert problem.remedy
    return problem.code


def test_files_come_out_as_they_went_in(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "a.zip",
        ("a.txt", b"1"),
        ("deep/er/b.txt", b"2"),
        ("win\\c.txt", b"3"),
        ("deep/", b""),
        ("__MACOSX/._a.txt", b"x"),
    )
    target = tmp_path / "out"
    found = unpack(path, target, "files[0]", LIMITS)
    assert [str(file.relative_to(target)) for file in found] == ["a.txt", "deep/er/b.txt", "win/c.txt"]
    assert [file.read_bytes() for file in found] == [b"1", b"2", b"3"]


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "..\\a", "C:/a", "a\nb", "1/2/3/4/5", "x" * 300, "y/" * 600 + "z"])
def test_names_that_lead_astray(tmp_path: Path, name: str) -> None:
    info = zipfile.ZipInfo("placeholder")
    info.filename = name
    assert refused(archive(tmp_path / "a.zip", (info, b"x"))) in {"archive_unsafe", "archive_damaged"}
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.zip"]


def test_links_and_devices(tmp_path: Path) -> None:
    for mode in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO):
        info = zipfile.ZipInfo("link")
        info.external_attr = (mode | 0o777) << 16
        assert refused(archive(tmp_path / f"{mode}.zip", (info, b"/etc/passwd"))) == "archive_unsafe"


def test_encrypted_entries(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", ("a.txt", b"x"))
    content = bytearray(path.read_bytes())
    central = content.find(b"PK\x01\x02")
    content[6] |= 1
    content[central + 8] |= 1
    path.write_bytes(content)
    assert refused(path) == "archive_unsafe"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name(tmp_path: Path) -> None:
    assert refused(archive(tmp_path / "a.zip", ("a.txt", b"1"), ("a.txt", b"2"))) == "archive_unsafe"


def test_an_archive_in_an_archive(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as opened:
        opened.writestr("a.txt", "x")
    assert refused(archive(tmp_path / "a.zip", ("inner.zip", inner.getvalue()))) == "archive_nested"


def test_too_many_too_large(tmp_path: Path) -> None:
    assert refused(archive(tmp_path / "a.zip", *((f"{i}", b"") for i in range(11)))) == "archive_too_large"
    assert refused(archive(tmp_path / "b.zip", ("a", b"x" * 1_000_001))) == "archive_too_large"
    assert refused(archive(tmp_path / "c.zip", ("a", b"x" * 600_000), ("b", b"x" * 600_000))) == "archive_too_large"


def test_a_ratio_that_no_data_has(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", ("a", b"\0" * 100 * 1024 * 1024))
    assert refused(path, ArchiveLimits(unpacked_bytes=1 << 40)) == "archive_too_large"


def test_a_lie_about_the_size_does_not_help(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", ("a", b"x" * 2_000_000))
    content = path.read_bytes()
    path.write_bytes(content.replace((2_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    refused(path)


def test_damage(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", ("a.txt", bytes(range(256)) * 100))
    content = path.read_bytes()
    for damaged in (content[:-30], content[:40] + b"\0" * 40 + content[80:], b"PK\x03\x04", b"PK\x05\x06" + b"\xff" * 18):
        path.write_bytes(damaged)
        assert refused(path) == "archive_damaged"
        assert not (tmp_path / "a.txt").exists()
        for left in (tmp_path / "a.unpacked").rglob("*"):
            left.unlink()
        (tmp_path / "a.unpacked").rmdir()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60), deadline=None)
@given(noise=st.binary(min_size=1, max_size=40), at=st.integers(0, 400))
def test_noise_never_gets_out(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int) -> None:
    folder = tmp_path_factory.mktemp("noise")
    path = archive(folder / "a.zip", ("a.txt", b"hello"), ("b/c.txt", b"world" * 20))
    content = bytearray(path.read_bytes())
    at %= len(content)
    content[at : at + len(noise)] = noise
    path.write_bytes(content)
    try:
        found = unpack(path, folder / "out", "files[0]", LIMITS)
    except Rejected:
        found = []
    assert all(file.resolve().is_relative_to((folder / "out").resolve()) for file in found)
    assert {file.name for file in folder.iterdir()} <= {"a.zip", "out"}
