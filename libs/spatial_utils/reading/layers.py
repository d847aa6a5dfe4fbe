"""The layers of an opened file: which are read, and in which CRS."""

from dataclasses import dataclass
from typing import Any, Literal

from libs.models import FileSpec, Problem, Rejected, says_no_crs
from libs.spatial_utils.crs import Crs, UnknownCrs, require_crs

_GIVE_CRS = (
    'Write "crs": "EPSG:4326" (or what it is) for this file in the manifest; write "crs": "none" if the coordinates are local.'
)

CrsSource = Literal["file", "manifest", "format"]


@dataclass(frozen=True)
class Layer:
    """A layer of a file.

    Attributes:
        name: Its name in the file; for one of several shapefiles in an archive, with its folder if names repeat.
        columns: Attribute columns in source order: source name (names may repeat) and Arrow type as text.
        has_geometry: Whether batches end with the column ``geom``.
        crs: What it is read in; None for local coordinates, and for a layer without geometry.
        crs_source: Who says so: the file; the manifest; or only the format, whose files have this CRS where nobody says another.
            None for a layer without geometry.
        features: What the file claims to hold; None when it does not say.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    has_geometry: bool
    crs: Crs | None
    crs_source: CrsSource | None
    features: int | None

    @property
    def crs_assumed(self) -> bool:
        """Whether neither the file nor the manifest says which CRS it is."""
        return self.crs_source == "format"


def agreed_layers(header: dict[str, Any], spec: FileSpec, where: str, warnings: list[Problem]) -> tuple[Layer, ...]:
    """The layers to read, of those that the reading process found.

    Args:
        header: Its first message.
        spec: What the manifest says of the file.
        where: Place of the file, for problems.
        warnings: Takes what the uploader should know of how a CRS was understood.

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
        crs, crs_source = None, None
        if layer["geometry"]:
            try:
                crs, crs_source = agreed_crs(layer["crs"], layer["name"], spec, where, warnings)
            except Rejected as rejected:
                problems += [problem for problem in rejected.problems if problem not in problems]
        columns = tuple((name, kind) for name, kind in layer["columns"])
        layers.append(Layer(layer["name"], columns, layer["geometry"], crs, crs_source, layer["claimed"]))
    if problems:
        raise Rejected(problems)
    return tuple(layers)


def agreed_crs(
    found: dict[str, str] | None, layer: str, spec: FileSpec, where: str, warnings: list[Problem]
) -> tuple[Crs | None, CrsSource]:
    """The CRS to read a layer in, and who says so. The manifest and the file must agree; what a format only assumes gives way."""
    place = f"{where}: layer {layer}"
    own, not_understood = _own_crs(found)
    _note_remark(own, place, warnings)
    if spec.crs is None:
        if own is not None:
            return own, "file"
        if not_understood is not None:
            raise Rejected.because(
                "unknown_crs", place, f"What the file says of its CRS is not understood: {not_understood}.", _GIVE_CRS
            )
        if found is not None:
            return Crs(found["default"]), "format"
        raise Rejected.because(
            "crs_missing", place, "Neither the file nor the manifest says what the coordinates refer to.", _GIVE_CRS
        )
    if says_no_crs(spec.crs):
        declared = None
    elif own is not None and own.name == spec.crs.upper():
        return own, "file"
    else:
        declared = require_crs(spec.crs, f"{where}.crs")
        _note_remark(declared, f"{where}.crs", warnings)
    if own is None:
        return declared, "manifest"
    if declared is not None and own.same(declared):
        return own, "file"
    said = '"none", for local coordinates' if declared is None else declared
    message = f"The manifest says {said}, but the layer {layer!r} is in {own}."
    if not spec.replace_crs:
        raise Rejected.because(
            "crs_mismatch",
            f"{where}.crs",
            message,
            "Correct 'crs' in the manifest, or leave it out if the file is right. "
            'If the file is wrong, write "replace_crs": true in the manifest.',
        )
    warnings.append(
        Problem(
            code="crs_replaced",
            where=place,
            message=f"{message} It was read as the manifest says.",
            remedy="Correct the file, so that others read it right.",
        )
    )
    return declared, "manifest"


def _own_crs(found: dict[str, str] | None) -> tuple[Crs | None, str | None]:
    """What the file itself says of its CRS; or its words, where they mean nothing."""
    if found is None or "default" in found:
        return None, None
    if "name" in found:
        return Crs(found["name"]), None
    if "unknown" in found:
        return None, found["unknown"]
    try:
        return Crs.parse(found["text"]), None
    except UnknownCrs as error:
        return None, str(error).removesuffix(".")


def _note_remark(crs: Crs | None, where: str, warnings: list[Problem]) -> None:
    if crs is not None and crs.remark:
        warning = Problem(
            code="crs_code_not_epsg", where=where, message=crs.remark, remedy=f"Write {crs.name}, if that is what it is."
        )
        if warning not in warnings:
            warnings.append(warning)
