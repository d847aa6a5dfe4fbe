"""A recipe's steps on an opened raster: GDAL's own pipeline, which computes pixels when they are read."""

import ctypes
import math
from collections.abc import Sequence

from libs.spatial_utils.worker.ogr.gdal import strings
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.raster.api import DTYPES, OF_ALPHA, OF_NODATA, PALETTE, RED, Api

_V, _S = ctypes.c_void_p, ctypes.c_char_p
_PROTOTYPES = {
    "GDALGetGlobalAlgorithmRegistry": (_V, ()),
    "GDALAlgorithmRegistryInstantiateAlg": (_V, (_V, _S)),
    "GDALAlgorithmInstantiateSubAlgorithm": (_V, (_V, _S)),
    "GDALAlgorithmGetArgNonConst": (_V, (_V, _S)),
    "GDALAlgorithmArgSetDatasets": (ctypes.c_bool, (_V, ctypes.c_size_t, ctypes.POINTER(_V))),
    "GDALAlgorithmParseCommandLineArguments": (ctypes.c_bool, (_V, ctypes.POINTER(_S))),
    "GDALAlgorithmRun": (ctypes.c_bool, (_V, _V, _V)),
    "GDALAlgorithmArgGetAsDatasetValue": (_V, (_V,)),
    "GDALArgDatasetValueGetDatasetRef": (_V, (_V,)),
    "GDALTranslateOptionsNew": (_V, (ctypes.POINTER(_S), _V)),
    "GDALTranslate": (_V, (_S, _V, _V, ctypes.POINTER(ctypes.c_int))),
    "GDALComputeRasterMinMax": (ctypes.c_int, (_V, ctypes.c_int, ctypes.POINTER(ctypes.c_double))),
}
_WARP, _CAST, _CLIP = "reproject", "set-type", "clip"
_OF_CATEGORIES = frozenset({"--resampling=nearest", "--resampling=mode"})
_LARGEST = {"float32": 3.4028234663852886e38, "float64": math.inf}


class Steps:
    """Applies steps to rasters. What GDAL makes of them lives as long as this process.

    Args:
        api: The library.
        name: Of the raster, for problems.
    """

    def __init__(self, api: Api, name: str) -> None:
        self._api, self._name = api, name
        self._call = {function: api.gdal.function(function, *types) for function, types in _PROTOTYPES.items()}
        api.gdal.register("GDALRegister_VRT")  # after the file was opened: none of it is one
        api.gdal.register("GDALRegister_MEM")

    def placed(self, dataset: int, crs: str) -> int:
        """The raster in another CRS, or in the one that it does not say; no pixel is changed.

        Raises:
            Unreadable: when GDAL does not know it.
        """
        options = self._call["GDALTranslateOptionsNew"](strings(["-of", "VRT", "-a_srs", crs or "none"]), None)
        made: int | None = self._call["GDALTranslate"](b"", dataset, options, None)
        if not made:
            raise Unreadable("unknown_crs", "GDAL does not know the CRS that 'crs' names.", "Write an authority code or WKT.")
        return made

    def applied(self, dataset: int, steps: Sequence[Sequence[str]], *, categorical: bool) -> int:
        """The raster that the steps make.

        Args:
            dataset: The source.
            steps: Of ``gdal raster pipeline``, each its name and its arguments.
            categorical: Whether its values are categories.

        Raises:
            Unreadable: when GDAL cannot do one, or its result would not mean what the source does.
        """
        for name, *arguments in steps:
            before = list(arguments)
            if name == _WARP:
                before += self._safe_at_edges(dataset, arguments)
                self._check_resampling(dataset, arguments, categorical=categorical)
            if name == _CAST:
                self._check_range(dataset, arguments)
            dataset = self._run(dataset, name, before)
        return dataset

    def _run(self, dataset: int, name: str, arguments: Sequence[str]) -> int:
        call, gdal = self._call, self._api.gdal
        registry = call["GDALGetGlobalAlgorithmRegistry"]()
        raster = call["GDALAlgorithmRegistryInstantiateAlg"](registry, b"raster")
        pipeline = call["GDALAlgorithmInstantiateSubAlgorithm"](raster, b"pipeline")
        call["GDALAlgorithmArgSetDatasets"](call["GDALAlgorithmGetArgNonConst"](pipeline, b"input"), 1, (_V * 1)(dataset))
        words = ["read", "!", name, *arguments, "!", "write", "--output-format=stream", ""]
        made: int | None = None
        with gdal.overhearing() as heard:
            parsed = call["GDALAlgorithmParseCommandLineArguments"](pipeline, strings(words))
            if parsed and call["GDALAlgorithmRun"](pipeline, None, None):
                result = call["GDALAlgorithmArgGetAsDatasetValue"](call["GDALAlgorithmGetArgNonConst"](pipeline, b"output"))
                made = call["GDALArgDatasetValueGetDatasetRef"](result)
        if not made:
            said = " ".join(message for _, message in heard) or "it says nothing of the reason."
            raise Unreadable(
                "raster_step_failed", f"GDAL cannot do the step {name!r} with the raster {self._name!r}: {said}",
                "Correct the parameter that it names, or the raster.",
            )  # fmt: skip
        return made

    def _bands(self, dataset: int) -> list[int]:
        api = self._api
        return [api.GDALGetRasterBand(dataset, number + 1) for number in range(api.GDALGetRasterCount(dataset))]

    def _safe_at_edges(self, dataset: int, arguments: Sequence[str]) -> list[str]:
        """What is added so that pixels outside of the source do not look like data."""
        api, bands = self._api, self._bands(dataset)
        if any(each.startswith("--dst-nodata=") for each in arguments):
            return []
        flags = [api.GDALGetMaskFlags(band) for band in bands]
        if all(flag & (OF_NODATA | OF_ALPHA) for flag in flags):
            return []
        colours = [api.GDALGetRasterColorInterpretation(band) for band in bands]
        types = {DTYPES[api.GDALGetRasterDataType(band)] for band in bands}
        if types <= {"uint8", "uint16"} and colours[:3] == [RED, RED + 1, RED + 2]:
            return ["--add-alpha"]
        if types <= {"float32", "float64"}:
            return ["--dst-nodata=nan"]
        raise Unreadable(
            "raster_needs_nodata",
            f"The raster {self._name!r} has no value for pixels without data, and there are some at the edges once it is warped.",
            'Give the parameter "nodata": a value that no pixel has.',
        )

    def _check_resampling(self, dataset: int, arguments: Sequence[str], *, categorical: bool) -> None:
        api = self._api
        palette = any(api.GDALGetRasterColorInterpretation(band) == PALETTE for band in self._bands(dataset))
        if (categorical or palette) and _OF_CATEGORIES.isdisjoint(arguments):
            raise Unreadable(
                "raster_categories_mixed",
                f"The values of the raster {self._name!r} are categories, of which no mean makes sense.",
                'Give the parameter "resampling": "nearest", or "mode".',
            )

    def _check_range(self, dataset: int, arguments: Sequence[str]) -> None:
        """Whether the new type holds all values: GDAL would take the nearest one that it has, without a word."""
        api, target = self._api, arguments[0].partition("=")[2].lower().replace("byte", "uint8")
        lowest, highest = _range(target)
        for number, band in enumerate(self._bands(dataset), 1):
            dtype = DTYPES[api.GDALGetRasterDataType(band)]
            found = (ctypes.c_double * 2)()
            with api.gdal.overhearing():  # of a band without data
                failed = self._call["GDALComputeRasterMinMax"](band, 0, found)
            values = [] if failed else [*found]
            nodata = api.nodata(band, dtype)
            if nodata is not None and not (math.isnan(nodata) and target.startswith("float")):
                values.append(float(nodata))
            bad = [value for value in values if not lowest <= (value if target.startswith("float") else _round(value)) <= highest]
            if bad:
                raise Unreadable(
                    "raster_value_does_not_fit",
                    f"Band {number} of the raster {self._name!r} has the value {bad[0]:.12g}, which the type {target} has not.",
                    "Cast to a type that holds it; if it is the nodata value, set another one.",
                )


def _round(value: float) -> float:
    """The whole number that GDAL makes of a value; NaN stays, which nothing holds."""
    return value if not math.isfinite(value) else math.floor(abs(value) + 0.5) * math.copysign(1, value)


def _range(dtype: str) -> tuple[float, float]:
    if dtype in _LARGEST:
        return -_LARGEST[dtype], _LARGEST[dtype]
    bits = int(dtype.removeprefix("u").removeprefix("int"))
    return (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
