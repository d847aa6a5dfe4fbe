"""The small picture of a COG, decoded here and held against its pixels."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from libs.spatial_utils.cog import CogProfile, Strip, write_cog
from libs.spatial_utils.cog.picture import SIDE, picture

pytestmark = pytest.mark.integration


@pytest.fixture
def shown(tmp_path: Path) -> Callable[..., np.ndarray]:
    """Writes a raster of one strip, and decodes its picture: (rows, width, 4)."""

    def shown(samples: np.ndarray, mask: np.ndarray | None = None, **more: Any) -> np.ndarray:
        bands, height, width = samples.shape
        profile = CogProfile(width, height, samples.dtype.name, bands, mask=mask is not None, **more)
        path = tmp_path / "raster.tif"
        tops = range(0, height, profile.tile)
        strips = [
            Strip(
                np.ascontiguousarray(samples[:, top : top + profile.tile]),
                None if mask is None else np.ascontiguousarray(mask[top : top + profile.tile]),
            )
            for top in tops
        ]
        write_cog(path, profile, strips, 1)
        with path.open("rb") as file:
            made = picture(file, path.stat().st_size)
        assert made.startswith(b"\x89PNG")
        across, down = struct.unpack(">II", made[16:24])
        (length,) = struct.unpack(">I", made[33:37])
        rows = np.frombuffer(zlib.decompress(made[41 : 41 + length]), np.uint8).reshape(down, 1 + 4 * across)
        assert not rows[:, 0].any()
        return rows[:, 1:].reshape(down, across, 4)

    return shown


def test_colours_are_as_they_are(shown: Callable[..., np.ndarray]) -> None:
    samples = np.random.default_rng(1).integers(0, 255, (3, 90, 70), "uint8")
    mask = np.full((90, 70), 255, "uint8")
    mask[:10] = 0
    made = shown(samples, mask, photometric=2)
    np.testing.assert_array_equal(made[..., :3], np.moveaxis(samples, 0, -1))
    np.testing.assert_array_equal(made[..., 3], mask)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint16"])
def test_heights_are_grey_and_what_has_no_data_is_transparent(shown: Callable[..., np.ndarray], dtype: str) -> None:
    samples = np.broadcast_to(np.arange(100, 200), (1, 80, 100)).astype(dtype).copy()
    samples[0, :20, :30] = 7
    made = shown(samples, nodata="7")
    assert (made[:20, :30, 3] == 0).all()
    assert (made[20:, :, 3] == 255).all()
    assert (np.diff(made[50, :, 0].astype(int)) >= 0).all()
    assert (made[50, 0, 0], made[50, -1, 0]) == (0, 255)


def test_a_palette_has_its_colours(shown: Callable[..., np.ndarray]) -> None:
    samples = (np.arange(40 * 40).reshape(1, 40, 40) % 3).astype("uint8")
    colours = [n * 257 for band in range(3) for n in np.roll(np.arange(256), band).tolist()]
    made = shown(samples, photometric=3, colormap=colours, resampling="mode")
    assert made[0, 1].tolist() == [1, 0, 255, 255]


def test_a_large_raster_is_shown_by_its_smallest_overview(shown: Callable[..., np.ndarray]) -> None:
    samples = np.broadcast_to((np.arange(1500) // 6).astype("uint8"), (1, 1100, 1500))
    made = shown(samples)
    assert max(made.shape) <= SIDE
    ramp = made[5, :, 0].astype(int)
    assert ramp[0] < 4
    assert ramp[-1] > 240
    assert (np.diff(ramp) >= 0).all()
