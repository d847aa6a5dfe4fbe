"""``python -m services.bundle``: all that a server without internet needs, in one folder and one archive. See ``make bundle``.

The same commit gives the same bytes: dates are those of the commit, and nothing is in an order of chance.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from libs.pipeline.build import build
from services.bundle.sbom import sbom

ROOT = Path(__file__).parents[2]
NAMESPACE = "spatial-etl-bundle"
"""Of the signature: it is good for nothing else."""

REQUIREMENTS = ("services/dagster/requirements-user-code.txt", "services/dagster/requirements.txt")
"""All extras; Dagster's webserver."""

FILES = (
    "README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md", ".env.example", "docker-compose.yaml", "deploy/seccomp.json",
    "deploy/systemd", "deploy/monitoring", "services/mongodb/postgresql.conf", "services/postgis/postgresql.conf",
)  # fmt: skip
"""Copied as they are in the commit."""

SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"


class NotBundled(Exception):  # noqa: N818 - what happened
    """The bundle could not be made, and why."""


def make(target: Path, key: Path | None) -> Path:
    """Make the bundle.

    Args:
        target: Folder that gets the bundle's folder and its archive; older ones of the same version are replaced.
        key: Private key of SSH that signs the checksums; None for none.

    Returns:
        The archive.

    Raises:
        NotBundled: when a tracked file differs from the commit, or a step fails.
    """
    version = build()
    if "+g" not in version or version.endswith(".dirty"):
        raise NotBundled("The files differ from the commit, so nobody could make this bundle again. Commit first.")
    epoch = _run("git", "log", "-1", "--format=%ct")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".making-") as name:
        folder = Path(name) / f"spatial-etl-{version}"
        (folder / "wheels").mkdir(parents=True)
        source = Path(name) / "source"  # the commit and nothing else: not what lies about in the checkout
        _run("git", "clone", "--quiet", "--shared", str(ROOT), str(source))
        _fill(folder, source, epoch)
        (folder / "sbom.cdx.json").write_text(sbom(folder / "wheels", version, int(epoch)), encoding="utf-8")
        (folder / "VERSION").write_text(f"{version}\n", encoding="utf-8")
        (folder / "PYTHON").write_text(f"{sys.version_info.major}.{sys.version_info.minor}\n", encoding="utf-8")
        _sum(folder)
        if key is not None:
            _run("ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE, str(folder / SUMS))
        archive = Path(name) / f"{folder.name}.tar"
        _pack(folder, archive, int(epoch))
        for made in (folder, archive):
            final = target / made.name
            if final.is_dir():
                shutil.rmtree(final)
            made.rename(final)
    return target / archive.name


def _fill(folder: Path, source: Path, epoch: str) -> None:
    for name in REQUIREMENTS:
        print(f"Wheels of {name} ...", flush=True)
        copy = folder / Path(name).name
        shutil.copyfile(source / name, copy)
        _pip(
            "download",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--require-hashes",
            "--dest",
            folder / "wheels",
            "--requirement",
            copy,
        )
    print("This project's wheel, documentation and files ...", flush=True)
    _pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder / "wheels", source, epoch=epoch)
    _run(
        sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder / "docs"),
        settings={"SOURCE_DATE_EPOCH": epoch, "NO_MKDOCS_2_WARNING": "1"}, cwd=source,
    )  # fmt: skip
    for name in FILES:
        original, copy = source / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if original.is_dir():
            shutil.copytree(original, copy)
        else:
            shutil.copyfile(original, copy)
    shutil.copyfile(source / "deploy/bundle/install.sh", folder / "install.sh")


def _sum(folder: Path) -> None:
    """Write the checksums of all files, in the form of ``sha256sum``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{_sha256(path)}  {path.relative_to(folder)}\n" for path in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pack(folder: Path, archive: Path, epoch: int) -> None:
    """One file of it. Wheels are compressed already."""

    def same(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        info.mtime = epoch
        runs = info.isdir() or info.name.endswith(("install.sh", "with-credentials"))
        info.mode = 0o755 if runs else 0o644
        return info

    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(folder, folder.name, recursive=False, filter=same)
        for path in sorted(folder.rglob("*")):
            tar.add(path, str(Path(folder.name) / path.relative_to(folder)), recursive=False, filter=same)


def _pip(*arguments: str | Path, epoch: str = "0") -> None:
    command = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments))
    _run(*command, settings={"SOURCE_DATE_EPOCH": epoch})


def _run(*command: str, settings: dict[str, str] | None = None, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | (settings or {}), capture_output=True, text=True, check=False, umask=0o022
    )
    if done.returncode:
        raise NotBundled(f"{' '.join(command[:4])} failed:\n{(done.stdout + done.stderr).strip()[-2000:]}")
    return done.stdout.strip()


def main() -> int:
    """Make it, and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m services.bundle", description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "bundle", help="folder (build/bundle)")
    parser.add_argument("--key", type=Path, help="private key of SSH that signs the checksums")
    given = parser.parse_args()
    try:
        archive = make(given.to, given.key)
    except (NotBundled, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    signed = "signed" if given.key else "not signed: give a key, make bundle BUNDLE_KEY=FILE"
    print(f"{archive} ({archive.stat().st_size / 1e6:.0f} MB, {signed})\nSHA-256 {_sha256(archive)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
