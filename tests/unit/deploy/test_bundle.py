"""``install.sh`` verifies before it installs, and goes back; the bill of materials says what is in a wheel."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from services.bundle.__main__ import NAMESPACE, _pack, _sum
from services.bundle.sbom import sbom

INSTALL = Path(__file__).parents[3] / "deploy" / "bundle" / "install.sh"


@pytest.fixture
def signers(tmp_path: Path) -> Path:
    """Makes a key; gives the file of allowed signers."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", tmp_path / "key"], check=True)
    path = tmp_path / "signers"
    path.write_text(f"release {(tmp_path / 'key.pub').read_text()}")
    return path


@pytest.fixture
def bundle(tmp_path: Path, signers: Path) -> Path:
    """A signed bundle with nothing to install in it."""
    folder = tmp_path / "bundle"
    (folder / "wheels").mkdir(parents=True)
    shutil.copy(INSTALL, folder)
    (folder / "VERSION").write_text("0.3.0+gabc\n")
    (folder / "PYTHON").write_text("9.99\n")  # nobody has it: what gets so far was verified
    (folder / "wheels" / "a b.whl").write_bytes(bytes(range(256)))
    _sum(folder)
    sign = ["ssh-keygen", "-Y", "sign", "-q", "-f", tmp_path / "key", "-n", NAMESPACE, folder / "SHA256SUMS"]
    subprocess.run(sign, check=True, capture_output=True)
    return folder


def install(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["sh", folder / "install.sh", "--to", folder.parent / "to", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder.parent)


def test_a_whole_bundle_is_verified(bundle: Path, signers: Path) -> None:
    done = install(bundle, "--verify", "--signers", signers)
    assert (done.returncode, done.stdout) == (0, "Signed by release.\nAll files are as they were bundled.\n"), done.stderr
    assert "Who made them was not checked" in install(bundle, "--verify").stdout
    without = install(bundle, "--signers", "signers")  # a relative path, from where it is called
    assert "Python 9.99 is needed" in without.stderr
    assert not (bundle.parent / "to").exists()


@pytest.mark.parametrize("harm", ["flipped", "removed", "added", "sums", "other key", "unsigned", "not whole"])
def test_a_bundle_that_was_changed_is_refused(bundle: Path, signers: Path, harm: str) -> None:
    wheel, sums = bundle / "wheels" / "a b.whl", bundle / "SHA256SUMS"
    match harm:
        case "flipped":
            content = bytearray(wheel.read_bytes())
            content[100] ^= 1
            wheel.write_bytes(content)
        case "removed":
            wheel.unlink()
        case "added":
            (bundle / "wheels" / "evil.whl").touch()
        case "sums":
            wheel.write_bytes(b"other")
            _, signature = sums.unlink(), (bundle / "SHA256SUMS.sig").rename(bundle.parent / "sig")
            _sum(bundle)
            signature.rename(bundle / "SHA256SUMS.sig")
        case "other key":
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", bundle.parent / "other"], check=True)
            signers.write_text(f"release {(bundle.parent / 'other.pub').read_text()}")
        case "unsigned":
            (bundle / "SHA256SUMS.sig").unlink()
        case "not whole":
            sums.unlink()
    done = install(bundle, "--signers", signers)
    assert done.returncode == 1
    assert any(said in done.stderr for said in ("nothing was installed", "not a whole bundle")), done.stderr
    assert not (bundle.parent / "to").exists()


def test_it_goes_back_and_forth(bundle: Path) -> None:
    to = bundle.parent / "to"
    for version in ("one", "two"):
        (to / "versions" / version).mkdir(parents=True)
    assert "no version before" in install(bundle, "--back").stderr
    (to / "current").symlink_to("versions/two")
    (to / "previous").symlink_to("versions/one")
    for now, before in (("one", "two"), ("two", "one")):
        assert f"In use: {now}." in install(bundle, "--back").stdout
        assert ((to / "current").resolve().name, (to / "previous").resolve().name) == (now, before)


def test_the_archive_does_not_depend_on_who_makes_it(bundle: Path) -> None:
    archives = []
    for mode in (0o600, 0o664):
        (bundle / "VERSION").chmod(mode)
        (bundle / "VERSION").touch()
        archives.append(bundle.parent / f"{mode}.tar")
        _pack(bundle, archives[-1], 1_700_000_000)
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_the_bill_of_materials_names_what_is_inside(tmp_path: Path) -> None:
    about = "Metadata-Version: 2.1\nName: Py_ogrio\nVersion: 1.0\nLicense-Expression: MIT\n"
    with zipfile.ZipFile(tmp_path / "py_ogrio-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("py_ogrio-1.0.dist-info/METADATA", about.replace("Py_ogrio", "pyogrio"))
        wheel.writestr("pyogrio.libs/libgeos-1f2e3d4c.so.3.14.1", b"geos")
        wheel.writestr("pyogrio/_io.so", b"ours")
    said = json.loads(sbom(tmp_path, "0.3.0", 1_700_000_000))
    assert (said["bomFormat"], said["specVersion"], said["metadata"]["timestamp"]) == ("CycloneDX", "1.5", "2023-11-14T22:13:20Z")
    (component,) = said["components"]
    assert (component["name"], component["purl"], component["licenses"]) == (
        "pyogrio",
        "pkg:pypi/pyogrio@1.0",
        [{"expression": "MIT"}],
    )
    gdal, geos = component["components"]
    assert (gdal["name"], gdal["version"].split(".")[0].isdecimal()) == ("GDAL", True)
    assert (geos["name"], geos["version"], len(geos["hashes"][0]["content"])) == ("libgeos", "3.14.1", 64)
    references = [part["bom-ref"] for part in (component, gdal, geos)]
    assert len({*references}) == 3
