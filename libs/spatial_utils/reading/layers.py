"""The layers of an opened file: which are read, and in which CRS."""

from dataclasses import dataclass
from typing import Any

from libs.models import FileSpec, Problem, Rejected
from libs.spatial_utils.crs import Crs, require_crs


@dataclass(frozen=True)
class Layer:
    """A layer of a file.

    Attributes:
        name: Its name in the file; for one of several shapefiles in an archive, with its folder if names repeat.
        columns: Attribute columns in source order: source name (names may repeat) and Arrow type as text.
        has_geometry: Whether batches end with the column ``geom``.
        crs: What it is read in: the manifest's word or the file's; None for a layer without geometry.
        features: What the file claims to hold; None when it does not say.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    has_geometry: bool
    crs: Crs | None
    features: int | None


def agreed_layers(header: dict[str, Any], spec: FileSpec, where: str) -> tuple[Layer, ...]:
    """The layers to read, of those that the reading process found.

    Args:
        header: Its first message.
        spec: What the manifest says of the file.
        where: Place of the file, for problems.

    Raises:
        Rejected: when the wanted layer does not exist, or a CRS is missing, unknown or disputed; for all layers at once.
    """
    if not header["layers"]:
        there = ", ".join(repr(name) for name in header["names"]) or "none"
        if spec.layer is None:
            only = f", only tables that belong to a program: {there}" if header["names"] else ""
            raise Rejected.because("no_layers", where, f"The file has no layers{only}.", "Check that it is the right file.")
        raise Rejected.because(
            "unknown_layer",
            f"{where}.layer",
            f"There is no layer {spec.layer!r}. Layers in the file: {there}.",
            "Use one of these names, or leave 'layer' out.",
        )
    problems: list[Problem] = []
    layers = []
    for layer in header["layers"]:
        crs = None
        if layer["geometry"]:
            try:
                crs = _agreed_crs(layer["crs"], layer["name"], spec, where)
            except Rejected as rejected:
                problems += [problem for problem in rejected.problems if problem not in problems]
        columns = tuple((name, kind) for name, kind in layer["columns"])
        layers.append(Layer(layer["name"], columns, layer["geometry"], crs, layer["claimed"]))
    if problems:
        raise Rejected(problems)
    return tuple(layers)


def _agreed_crs(found: dict[str, str] | None, layer: str, spec: FileSpec, where: str) -> Crs:
    """The CRS to read a layer in: what the manifest and the file say must agree, and one of them must say something."""
    own = None
    if found is not None and "unknown" in found:
        if spec.crs is None:
            raise Rejected.because(
                "unknown_crs",
                f"{where}: layer {layer}",
                f"What the file says of its CRS is not understood: {found['unknown']}.",
                "Add 'crs' to this file in the manifest, such as \"EPSG:4326\".",
            )
    elif found is not None:
        own = Crs(found["name"]) if "name" in found else require_crs(found["wkt"], f"{where}: layer {layer}")
    if spec.crs is None:
        if own is None:
            raise Rejected.because(
                "crs_missing",
                f"{where}: layer {layer}",
                "Neither the file nor the manifest says what the coordinates refer to.",
                "Add 'crs' to this file in the manifest, such as \"EPSG:4326\".",
            )
        return own
    if own is not None and own.name == spec.crs.upper():
        return own
    declared = require_crs(spec.crs, f"{where}.crs")
    if own is not None and not own.same(declared):
        raise Rejected.because(
            "crs_mismatch",
            f"{where}.crs",
            f"The manifest says {declared}, but the layer {layer!r} is in {own}.",
            "Correct 'crs' in the manifest, or leave it out if the file is right.",
        )
    return own or declared
