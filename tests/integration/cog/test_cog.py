"""The files of the one-pass writer, as GDAL and rio-cogeo see them."""

import hashlib
import math
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy._core._multiarray_umath as features
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.spatial_utils.cog import CogProfile, CogResult, RawTag, Strip, layout, tile_for, write_cog
from libs.spatial_utils.cog.profile import DTYPES
from tests.sampling import examples

pytestmark = pytest.mark.integration

SCALE = RawTag(33550, 12, 3, struct.pack("<3d", 0.5, 0.5, 0))
TIE = RawTag(33922, 12, 6, struct.pack("<6d", 0, 0, 0, 3_500_000, 5_800_000, 0))
GEOKEYS = RawTag(34735, 3, 16, struct.pack("<16H", 1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 25833))
GEO = (SCALE, TIE, GEOKEYS)


def strips(samples: np.ndarray, mask: np.ndarray | None, tile: int) -> Iterator[Strip]:
    for row in range(0, samples.shape[1], tile):
        part = np.s_[row : row + tile]
        yield Strip(samples[:, part].tobytes(), None if mask is None else mask[part].tobytes())


def write(target: Path, samples: np.ndarray, mask: np.ndarray | None = None, threads: int = 2, **profile: Any) -> CogResult:
    bands, height, width = samples.shape
    profile.setdefault("extra_samples", (0,) * (bands - (3 if profile.get("photometric") == 2 else 1)))
    of = CogProfile(width, height, samples.dtype.name, bands, mask=mask is not None, **profile)
    return write_cog(target, of, strips(samples, mask, of.tile), threads)


def noise(dtype: str, *shape: int, seed: int = 1) -> np.ndarray:
    """All values that a type has, extremes among them; of floats, what a survey measures."""
    random = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return random.normal(300, 40, shape).astype(dtype)
    bounds = np.iinfo(dtype)
    samples = random.integers(bounds.min, bounds.max, shape, dtype, endpoint=True)
    samples.flat[:2] = bounds.min, bounds.max
    return samples


def expected_half(samples: np.ndarray, valid: np.ndarray, resampling: str, nodata: Any, fill: Any) -> np.ndarray:
    """An overview pixel by pixel, in exact arithmetic."""
    bands, height, width = samples.shape
    half = np.empty((bands, math.ceil(height / 2), math.ceil(width / 2)), samples.dtype)
    for band, y, x in np.ndindex(*half.shape):
        window = np.s_[band, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
        values = samples[window][valid[window]].tolist()
        if resampling == "nearest":
            half[band, y, x] = samples[band, 2 * y, 2 * x]
        elif not values:
            half[band, y, x] = fill
        elif resampling == "mode":
            half[band, y, x] = max(values, key=values.count)
        elif samples.dtype.kind == "f":
            half[band, y, x] = math.fsum(values) / len(values)
        else:
            mean = Fraction(sum(values), len(values))
            rounded = math.floor(abs(mean) + Fraction(1, 2)) * (1 if mean >= 0 else -1)
            half[band, y, x] = rounded if rounded != nodata else rounded + (1 if rounded < np.iinfo(half.dtype).max else -1)
    return half


@st.composite
def rasters(draw: st.DrawFn) -> dict[str, Any]:
    dtype, bands = draw(st.sampled_from(DTYPES)), draw(st.integers(1, 4))
    height, width = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    samples = noise(dtype, bands, height, width, seed=draw(st.integers(0, 99)))
    if draw(st.booleans()):  # few values: they are often equal, and often nodata
        samples = (samples.astype("float64") % 5).astype(dtype)
    nodata = draw(
        st.sampled_from([None, "0", "3", "-9999", "nan"] if dtype.startswith("float") else [None, "0", "3", "255", "-1"])
    )
    if nodata == "nan":
        samples[samples < samples.mean()] = np.nan
    mask = None
    if draw(st.booleans()):
        mask = np.where(noise("uint8", height, width) < draw(st.sampled_from([1, 128, 250])), 0, 255).astype("uint8")
    resampling = draw(st.sampled_from(["average", "mode", "nearest"]))
    tile, threads = draw(st.sampled_from([16, 32, 64])), draw(st.integers(1, 4))
    rgb = draw(st.booleans()) and bands >= 3
    return {
        "samples": samples, "mask": mask, "nodata": nodata, "resampling": resampling,
        "tile": tile, "threads": threads, "photometric": 2 if rgb else 1,
    }  # fmt: skip


@given(raster=rasters())
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_pixel_is_read_as_it_was_and_every_overview_is_what_was_asked_for(
    tmp_path: Path, rasterio: Callable[..., Any], raster: dict[str, Any]
) -> None:
    target, samples, mask = tmp_path / "raster.tif", raster["samples"], raster["mask"]
    done = write(target, geo_tags=GEO, **raster)

    seen = rasterio("seen", path=str(target))
    np.testing.assert_array_equal(seen["samples"], samples)
    assert seen["dtype"] == samples.dtype.name
    if samples.shape[2] > 1:  # rio-cogeo takes an overview's size from the width alone: a column can have none
        assert (seen["valid"], seen["errors"], seen["warnings"]) == (True, [], [])
    assert seen["structure"]["LAYOUT"] == "COG"
    assert (seen["crs"], seen["transform"]) == (25833, (0.5, 0, 3_500_000, 0, -0.5, 5_800_000))
    assert seen["blocks"] == (raster["tile"], raster["tile"])
    nodata = None if raster["nodata"] is None else float(raster["nodata"])
    if mask is not None:
        np.testing.assert_array_equal(seen["mask"], mask)
    assert [half.shape[:0:-1] for half in seen["overviews"]] == list(done.overviews)

    real = samples.dtype.kind == "f"
    fill = nodata if nodata is not None and in_range(nodata, samples.dtype) else math.nan if real and mask is None else 0
    for level, half in enumerate(seen["overviews"]):
        valid = np.ones(samples.shape, bool) if mask is None else np.broadcast_to(mask != 0, samples.shape)
        valid = valid & ~np.isnan(samples) & (samples != nodata if nodata is not None else True)
        expected = expected_half(samples, valid, raster["resampling"], nodata, fill)
        np.testing.assert_allclose(half, expected, rtol=1e-6 if real else 0)
        if mask is not None:
            mask = halved_mask(mask, raster["resampling"])
            np.testing.assert_array_equal(seen["masks"][level], mask)
        samples = half


def in_range(value: float, dtype: np.dtype) -> bool:
    return dtype.kind == "f" or np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


def halved_mask(mask: np.ndarray, resampling: str) -> np.ndarray:
    if resampling == "nearest":
        return mask[::2, ::2]
    height, width = mask.shape
    padded = np.pad(mask, ((0, height % 2), (0, width % 2)))
    return padded.reshape(-(-height // 2), 2, -(-width // 2), 2).max(axis=(1, 3))


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype not in {"int64", "uint64"}])  # of which GDAL makes doubles
@pytest.mark.parametrize("nodata", [None, 7])
def test_averages_are_those_of_gdal(tmp_path: Path, rasterio: Callable[..., Any], dtype: str, nodata: int | None) -> None:
    samples = noise(dtype, 2, 128, 128)
    if nodata is not None:
        samples[:, 20:80, 30:77] = nodata
        samples.flat[::17] = nodata
    np.save(tmp_path / "samples.npy", samples)
    source = {"path": str(tmp_path / "gdal.tif"), "source": str(tmp_path / "samples.npy")}
    by_gdal = rasterio("halved", nodata=nodata, resampling="average", **source)

    write(tmp_path / "ours.tif", samples, tile=64, nodata=None if nodata is None else str(nodata))

    ours = rasterio("seen", path=str(tmp_path / "ours.tif"))["overviews"][0]
    if dtype == "int8":  # GDAL 3.10 forgets it there that a mean is data, even if it is the nodata value
        by_gdal[(by_gdal == nodata) & (ours == 8)] = 8
    if dtype.startswith("float"):
        np.testing.assert_allclose(ours, by_gdal, rtol=1e-6)
    else:
        np.testing.assert_array_equal(ours, by_gdal)


def test_a_file_is_not_much_larger_than_zlib_makes_it(tmp_path: Path) -> None:
    """A fast level takes much more room for what is easy to compress: classes, flat colours, whole metres."""
    y, x = np.mgrid[:512, :512]
    classes = (4 + 4 * np.sin(x / 37) * np.cos(y / 53)).astype("uint8")
    metres = (300 + 60 * np.sin((x + y) / 97) + np.random.default_rng(1).normal(0, 0.6, (512, 512))).astype("int16")
    flat = np.repeat(np.repeat(noise("uint8", 64, 64) & 7, 8, 0), 8, 1) * 30
    for samples, resampling, at_most in ((classes, "mode", 1.35), (metres, "average", 1.15), (flat, "average", 1.15)):
        done = write(tmp_path / "raster.tif", samples[None], resampling=resampling)
        plain = samples if resampling == "mode" else np.diff(samples, axis=1, prepend=samples.dtype.type(0))
        assert done.bytes - 400 < at_most * len(zlib.compress(plain.tobytes(), 6)), resampling


def test_the_bytes_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    samples, mask = noise("uint16", 3, 700, 900), noise("uint8", 700, 900) & 1
    done = [write(tmp_path / f"{n}.tif", samples, mask, n, photometric=2, tile=64) for n in (1, 2, 5)]
    assert done[0] == done[1] == done[2]
    assert done[0].sha256 == hashlib.sha256((tmp_path / "5.tif").read_bytes()).hexdigest()
    assert done[0].bytes == (tmp_path / "5.tif").stat().st_size


def test_the_bytes_do_not_depend_on_the_cpu(tmp_path: Path) -> None:
    samples = (np.sin(np.arange(300 * 200) * 1.37).reshape(1, 300, 200) * 3000).astype("float32")
    np.save(tmp_path / "samples.npy", samples)
    least = " ".join(feature for feature in features.__cpu_dispatch__ if features.__cpu_features__[feature])
    script = (
        "import sys, numpy; from pathlib import Path; from libs.spatial_utils.cog import CogProfile, Strip, write_cog\n"
        "metadata = lambda found: f'<GDALMetadata>{found}</GDALMetadata>'\n"
        "profile = CogProfile(200, 300, 'float32', tile=304, gdal_metadata=metadata)\n"
        "print(write_cog(Path(sys.argv[1]), profile, [Strip(numpy.load(sys.argv[2]))], 1).sha256)"
    )
    command = [sys.executable, "-c", script, tmp_path / "least.tif", tmp_path / "samples.npy"]
    done = subprocess.run(
        command, env={**os.environ, "NPY_DISABLE_CPU_FEATURES": least}, capture_output=True, text=True, check=True
    )

    here = write(tmp_path / "all.tif", samples, tile=304, gdal_metadata=lambda found: f"<GDALMetadata>{found}</GDALMetadata>")
    assert done.stdout.strip() == here.sha256


def test_a_file_that_32_bits_do_not_reach_is_a_bigtiff(
    tmp_path: Path, rasterio: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, mask = noise("int16", 3, 300, 200), noise("uint8", 300, 200) & 1
    classic = write(tmp_path / "classic.tif", samples, mask, tile=64, geo_tags=GEO)
    monkeypatch.setattr(layout, "CLASSIC_LIMIT", classic.bytes - 1)
    big = write(tmp_path / "big.tif", samples, mask, tile=64, geo_tags=GEO)

    assert (classic.bigtiff, big.bigtiff) == (False, True)
    assert (tmp_path / "big.tif").read_bytes()[:4] == b"II\x2b\0"
    one, other = (rasterio("seen", path=str(tmp_path / name)) for name in ("classic.tif", "big.tif"))
    np.testing.assert_equal(one, other)
    assert one["valid"]
    monkeypatch.setattr(layout, "CLASSIC_LIMIT", classic.bytes)
    assert not write(tmp_path / "classic.tif", samples, mask, tile=64, geo_tags=GEO).bigtiff


def test_colours_that_alpha_hides_take_no_part_in_an_overview(tmp_path: Path, rasterio: Callable[..., Any]) -> None:
    samples = np.full((4, 64, 64), 255, "uint8")
    samples[:, :, 1::2] = 0  # every other column is transparent, and black
    write(tmp_path / "rgba.tif", samples, photometric=2, extra_samples=(2,), tile=32)

    seen = rasterio("seen", path=str(tmp_path / "rgba.tif"))
    assert seen["colours"] == ["red", "green", "blue", "alpha"]
    assert np.unique(seen["overviews"][0][:3]) == [255]
    assert np.unique(seen["overviews"][0][3]) == [128]


def test_a_palette_keeps_its_colours_and_its_classes(tmp_path: Path, rasterio: Callable[..., Any]) -> None:
    samples = np.array([[[4, 9] * 20] * 40], "uint8")
    colours = [n * 257 for band in range(3) for n in np.roll(np.arange(256), band).tolist()]
    write(tmp_path / "palette.tif", samples, photometric=3, colormap=colours, resampling="mode", tile=16)

    seen = rasterio("seen", path=str(tmp_path / "palette.tif"))
    assert seen["colormap"][4] == (4, 3, 2, 255)
    np.testing.assert_array_equal(seen["samples"], samples)
    assert all(set(np.unique(half)) <= {4, 9} for half in seen["overviews"])


def test_metadata_may_tell_of_the_statistics(tmp_path: Path, rasterio: Callable[..., Any]) -> None:
    def metadata(statistics: Any) -> str:
        return f'<GDALMetadata><Item name="GREATEST">{statistics[0].maximum}</Item></GDALMetadata>'

    write(tmp_path / "raster.tif", np.arange(100, dtype="int32").reshape(1, 10, 10), gdal_metadata=metadata)
    assert rasterio("seen", path=str(tmp_path / "raster.tif"))["tags"]["GREATEST"] == "99"


def test_a_tile_has_its_size_before_it_and_its_last_bytes_behind_it_and_its_mask_next(tmp_path: Path) -> None:
    write(tmp_path / "raster.tif", noise("uint8", 1, 100, 70), noise("uint8", 100, 70) & 1, tile=32)
    data = (tmp_path / "raster.tif").read_bytes()
    assert b"MASK_INTERLEAVED_WITH_IMAGERY=YES\n" in data[:250]
    images = directories(data)
    assert [(image.get(254, 0), image[256]) for image in images] == [(0, 70), (4, 70), (1, 35), (1, 18), (5, 35), (5, 18)]
    tiles = [images[n] for n in (3, 5, 2, 4, 0, 1)]  # the smallest overview's first
    place = None
    for picture, mask in zip(tiles[::2], tiles[1::2], strict=True):
        pairs = zip(zip(picture[324], picture[325], strict=True), zip(mask[324], mask[325], strict=True), strict=True)
        for offset, size in (tile for pair in pairs for tile in pair):
            assert place is None or offset == place
            assert data[offset - 4 : offset] == struct.pack("<I", size)
            assert data[offset + size - 4 : offset + size] == data[offset + size : offset + size + 4]
            place = offset + size + 8
    assert place == len(data) + 4


def directories(data: bytes) -> list[dict[int, Any]]:
    """The tags of all images of a classic TIFF whose values are whole numbers."""
    (place,), found = struct.unpack_from("<I", data, 4), []
    while place:
        (count,), tags = struct.unpack_from("<H", data, place), {}
        for n in range(count):
            code, kind, length = struct.unpack_from("<HHI", data, place + 2 + 12 * n)
            letter = {3: "H", 4: "I"}.get(kind)
            if letter is None:
                continue
            at = place + 10 + 12 * n
            if struct.calcsize(letter) * length > 4:
                (at,) = struct.unpack_from("<I", data, at)
            values = struct.unpack_from(f"<{length}{letter}", data, at)
            tags[code] = values if code in {324, 325} else values[0]
        found.append(tags)
        (place,) = struct.unpack_from("<I", data, place + 2 + 12 * count)
    return found


@pytest.mark.parametrize("width", [511, 512, 513])
def test_a_raster_as_wide_as_a_tile_passes_for_a_tiled_one(tmp_path: Path, rasterio: Callable[..., Any], width: int) -> None:
    write(tmp_path / "raster.tif", noise("uint8", 1, 600, width), tile=tile_for(width, 1, "uint8"))
    seen = rasterio("seen", path=str(tmp_path / "raster.tif"))
    assert (seen["valid"], seen["errors"], seen["warnings"]) == (True, [], [])


def test_the_more_there_is_in_a_row_the_smaller_are_the_tiles() -> None:
    assert tile_for(16_384, 3, "uint8") == tile_for(12_000, 1, "float32") == 512
    assert tile_for(30_000, 3, "uint8") == tile_for(20_000, 1, "float32") == 256
    assert tile_for(5_000, 224, "uint16") == 16
    assert tile_for(10**7, 8, "float64") == 16


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([32], "end after 32 of 40 rows"),
        ([32, 8, 8], "More strips than 40 rows need"),
        ([32, 32], "bytes, where"),
        ([8, 32], "bytes, where"),
    ],
)
def test_strips_that_are_not_the_raster_leave_no_file(tmp_path: Path, given: list[int], says: str) -> None:
    profile = CogProfile(50, 40, "uint8", tile=32)
    with pytest.raises(ValueError, match=says):
        write_cog(tmp_path / "raster.tif", profile, [Strip(bytes(50 * rows)) for rows in given], 2)
    assert list(tmp_path.iterdir()) == []


def test_a_mask_that_was_not_announced_is_an_error_and_so_is_one_that_is_missing(tmp_path: Path) -> None:
    for announced, mask in ((False, bytes(64)), (True, None)):
        with pytest.raises(ValueError, match="mask"):
            write_cog(tmp_path / "raster.tif", CogProfile(8, 8, "uint8", mask=announced), [Strip(bytes(64), mask)], 1)


def test_a_reader_that_fails_ends_the_writing_with_its_error(tmp_path: Path) -> None:
    def failing() -> Iterator[Strip]:
        yield Strip(bytes(512 * 600))
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_cog(tmp_path / "raster.tif", CogProfile(600, 600, "uint8"), failing(), 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "profile",
    [
        {"dtype": "complex64"}, {"dtype": "float16"}, {"resampling": "cubic"}, {"tile": 100}, {"bands": 3}, {"photometric": 2},
        {"photometric": 3}, {"colormap": (0,) * 768}, {"level": 13}, {"width": 0},
    ],
)  # fmt: skip
def test_what_no_such_file_can_be_made_of_is_refused(profile: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\."):
        CogProfile(**{"width": 10, "height": 10, "dtype": "uint8", **profile})
