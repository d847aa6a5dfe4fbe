"""What is in a bundle: a bill of materials in CycloneDX, with hashes and licences, and with the libraries inside the wheels."""

import email
import hashlib
import json
import re
import uuid
import zipfile
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

from services.cli.versions import library_versions

_LIBRARY = re.compile(r"^lib(?P<name>[A-Za-z0-9_+-]+?)(?:-[0-9a-f]{8})?\.so(?:\.(?P<version>[0-9.]+))?$")
"""A shared library as wheels carry it: ``libgeos-1f2e3d4c.so.3.14.1``. The number is that of its interface."""

_BINDINGS = {"pyogrio": "GDAL", "pyproj": "PROJ", "shapely": "GEOS", "duckdb": "DuckDB"}
"""Wheels whose library tells its own release."""

_NAMESPACE = uuid.UUID("6f0f3d1e-2a53-4cf0-9f5b-7f7f3b7e1a10")


def sbom(wheels: Path, version: str, epoch: int) -> str:
    """The bill of materials of some wheels, as JSON.

    Args:
        wheels: Their folder.
        version: Of this project.
        epoch: The commit's time, in seconds since 1970.
    """
    told = library_versions()
    components = [_wheel(path, told) for path in sorted(wheels.glob("*.whl"))]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, version)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
            "component": {"type": "application", "name": "spatial-etl", "version": version, "bom-ref": "spatial-etl"},
        },
        "components": components,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _wheel(path: Path, told: dict[str, str]) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        (name,) = [each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each)]
        about = email.message_from_bytes(archive.read(name))
        parts = [part for each in sorted(archive.namelist()) if (part := _library(archive, each)) is not None]
    distribution, version = re.sub(r"[-_.]+", "-", about["Name"]).lower(), about["Version"]
    if library := _BINDINGS.get(distribution):
        parts.insert(0, {"type": "library", "name": library, "version": told[library], "bom-ref": f"{distribution}/{library}"})
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    component = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{distribution}@{version}",
        "name": distribution,
        "version": version,
        "purl": f"pkg:pypi/{distribution}@{version}",
        "hashes": [{"alg": "SHA-256", "content": sha256}],
        "licenses": _licences(about),
    }
    for part in parts:
        part["bom-ref"] = f"{distribution}/{part['bom-ref'].rpartition('/')[2]}"
    return component | ({"components": parts} if parts else {})


def _library(archive: zipfile.ZipFile, member: str) -> dict[str, Any] | None:
    """A shared library that a wheel brings along; None for any other file."""
    folder, _, name = member.rpartition("/")
    found = _LIBRARY.match(name) if folder.endswith(".libs") else None
    if found is None:
        return None
    sha256 = hashlib.sha256(archive.read(member)).hexdigest()
    part = {"type": "library", "name": f"lib{found['name']}", "bom-ref": name, "hashes": [{"alg": "SHA-256", "content": sha256}]}
    return part | ({"version": found["version"]} if found["version"] else {})


def _licences(about: Message) -> list[dict[str, Any]]:
    """What a wheel says of its licence: an expression of SPDX, the licence's name, or its classifiers."""
    if expression := about["License-Expression"]:
        return [{"expression": expression}]
    classifiers = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier", []) if each.startswith("License ::")]
    text = (about["License"] or "").strip().splitlines()
    names = classifiers or text[:1] or ["not said"]
    return [{"license": {"name": name[:200]}} for name in names]
