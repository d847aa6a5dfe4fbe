"""The images, from this checkout: hashed wheels, programs in Go, and ``deploy/images/Dockerfile``."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.local import build as programs
from services.stack.engine import Docker, NoDocker

ROOT = Path(__file__).parents[2]
_SOURCE = ROOT / "deploy" / "images"
_DAGSTER = ROOT / "services" / "dagster"
_BASE, _FROM_REGISTRY = "spatial-etl-base:12", "debian:12-slim"

TARGETS = ("user-code", "dagster", "postgis", "minio", "ferretdb")


def build(docker: Docker) -> None:
    """Build all images, as ``spatial-etl-<target>:<tag>``. What has not changed is there in seconds.

    ``SPATIAL_ETL_BASE`` names the image that they begin with. Else it is made with debootstrap, or taken from the registry.

    Raises:
        NoDocker: when an image cannot be built.
        NotInstalled: when a program that goes into one cannot be built.
    """
    tag = os.environ.get("SPATIAL_ETL_TAG") or "local"
    for program in (programs.minio(), programs.ferretdb()):
        program.build()
    base = os.environ.get("SPATIAL_ETL_BASE") or _base(docker)
    epoch = _output("git", "log", "-1", "--format=%ct") or "0"
    with _context(epoch) as context:
        for target in TARGETS:
            print(f"Image spatial-etl-{target}:{tag} ...", flush=True)
            done = subprocess.run(
                [
                    docker.client, "build", "--quiet", "--target", target, "--tag", f"spatial-etl-{target}:{tag}",
                    "--build-arg", f"BASE={base}", str(context),
                ],
                env=docker.all({"DOCKER_BUILDKIT": "1"}), capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise NoDocker(f"The image {target} could not be built:\n{done.stderr.strip()[-4000:]}")


@contextmanager
def _context(epoch: str) -> Iterator[Path]:
    """What the images are built from, in the cache: wheels stay there, the rest is put there anew."""
    folder = programs.cache().parent / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("bin", "programs", "project"):
            shutil.rmtree(folder / name, ignore_errors=True)
        _wheels(folder / "wheels" / "user-code", _DAGSTER / "requirements-user-code.txt")
        _wheels(folder / "wheels" / "dagster", _DAGSTER / "requirements.txt")
        _wheels(folder / "wheels" / "pip", _SOURCE / "pip.txt")
        _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder / "project", ROOT, epoch=epoch)
        (folder / "bin").mkdir()
        shutil.copy2(programs.minio().path, folder / "bin" / "minio")
        shutil.copy2(programs.ferretdb().path, folder / "bin" / "ferretdb")
        shutil.copytree(_SOURCE / "programs", folder / "programs")
        shutil.copy2(_DAGSTER / "daemon.py", folder / "programs")
        for file in (_SOURCE / "Dockerfile", _SOURCE / "workspace.yaml", *_DAGSTER.glob("requirements*.txt")):
            shutil.copy2(file, folder)
        parts = (_DAGSTER / "dagster.yaml", _DAGSTER / "postgres.yaml", _SOURCE / "instance.yaml")
        (folder / "dagster.yaml").write_text("\n".join(part.read_text(encoding="utf-8") for part in parts), encoding="utf-8")
        yield folder


def _wheels(folder: Path, requirements: Path) -> None:
    """Download the wheels of a requirements file, with its hashes, unless they are there."""
    made_from = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = folder.with_suffix(".stamp")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == made_from:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"Wheels of {requirements.relative_to(ROOT)} ...", flush=True)
    _pip("download", "--no-deps", "--only-binary", ":all:", "--python-version", "3.11", "--require-hashes", "--dest", folder,
         "--requirement", requirements)  # fmt: skip
    stamp.write_text(made_from, encoding="utf-8")


def _pip(*arguments: str | Path, epoch: str = "0") -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | {"SOURCE_DATE_EPOCH": epoch}, capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        raise NoDocker(f"pip {arguments[0]} failed:\n{done.stderr.strip()[-2000:]}")


def _base(docker: Docker) -> str:
    """Debian 12: as it is here, made from Debian's packages, or from the registry."""
    if docker.run("images", "--quiet", _BASE):
        return _BASE
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        docker.run("pull", "--quiet", _FROM_REGISTRY)
        return _FROM_REGISTRY
    print("Making the base image from Debian's packages, once for this machine (minutes) ...", flush=True)
    with tempfile.TemporaryDirectory(prefix="debian-") as name:
        folder = Path(name, "root")
        command = ["debootstrap", "--variant=minbase", "--include=ca-certificates,python3", "bookworm", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoDocker(f"debootstrap failed:\n{(done.stdout + done.stderr).strip()[-2000:]}")
        for leftover in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
            shutil.rmtree(folder / leftover)
            (folder / leftover).mkdir()
        (folder / "var/cache/apt/archives/partial").mkdir(parents=True)
        (folder / "var/lib/apt/lists/partial").mkdir(parents=True)
        with subprocess.Popen(["tar", "-C", str(folder), "-c", "."], stdout=subprocess.PIPE) as tar:
            subprocess.run(
                [docker.client, "import", "-", _BASE], stdin=tar.stdout, env=docker.all(), check=True, capture_output=True
            )
    return _BASE


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()
