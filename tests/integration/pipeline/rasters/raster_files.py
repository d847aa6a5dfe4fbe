"""Makes rasters with rasterio, and compares rasters as it reads them: in a process of its own, which has no other GDAL."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, from_origin

UTM = {"crs": "EPSG:25832", "transform": from_origin(500_000, 5_300_000, 2, 2)}
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")


def noise(dtype: str, *shape: int) -> np.ndarray:
    """Values over the whole range of a type."""
    random = np.random.default_rng(7)
    if dtype.startswith("float"):
        return random.normal(300, 40, shape).astype(dtype)
    bounds = np.iinfo(dtype)
    return random.integers(bounds.min, bounds.max, shape, dtype, endpoint=True)


def write(path: Path, pixels: np.ndarray, **profile: Any) -> Any:
    """An open raster with pixels in it."""
    count, height, width = pixels.shape
    made = rasterio.open(
        path, "w", **{"driver": "GTiff", "width": width, "height": height, "count": count, "dtype": pixels.dtype.name} | profile
    )
    made.write(pixels)
    return made


def make(folder: Path) -> None:
    """One file of each kind."""
    for dtype in TYPES:
        write(folder / f"{dtype}.tif", noise(dtype, 2, 70, 90), **UTM, photometric="MINISBLACK").close()
    height = noise("float32", 1, 700, 1300)
    height[0, :100, :200] = np.nan
    with write(folder / "nan.tif", height, **UTM, nodata=np.nan, compress="lzw", tiled=True, bigtiff="yes") as made:
        made.set_band_description(1, "height")
        made.units, made.scales, made.offsets = ("m",), (0.5,), (100.0,)
        made.update_tags(AREA_OR_POINT="Point", SURVEY="2026", TIFFTAG_DATETIME="2026:05:01 10:00:00")
        made.update_tags(1, SENSOR="lidar")
        made.update_tags(ns="ACQUISITION", BEGIN="2026-05-01T10:00:00Z")
    with write(folder / "rgba.tif", noise("uint8", 4, 600, 512), **UTM, photometric="RGB", compress="deflate") as made:
        made.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), write(folder / "mask.tif", noise("uint8", 3, 530, 40), **UTM) as made:
        made.write_mask(noise("uint8", 530, 40) > 100)
    with write(folder / "palette.tif", noise("uint8", 1, 800, 700) % 5, **UTM, nodata=4) as made:
        made.write_colormap(1, {value: (40 * value, 10 + value, 200, 255) for value in range(5)})
    turned = Affine.translation(500_000, 5_300_000) @ Affine.rotation(30) @ Affine.scale(2, -2)
    write(folder / "turned.tif", noise("int16", 1, 40, 50), crs="EPSG:25832", transform=turned).close()
    points = [GroundControlPoint(row, column, 8 + column / 100, 50 - row / 100, 0) for row in (0, 39) for column in (0, 49)]
    write(folder / "gcps.tif", noise("uint8", 1, 40, 50), crs="EPSG:4326", gcps=points).close()
    write(folder / "heights.tif", noise("float32", 1, 40, 50), **UTM | {"crs": "EPSG:25832+7837"}).close()
    write(folder / "nocrs.tif", noise("uint8", 1, 40, 50), transform=UTM["transform"]).close()
    write(folder / "complex.tif", noise("float32", 1, 4, 5).astype("complex64"), **UTM).close()
    write(folder / "zstd.tif", noise("uint8", 1, 40, 50), **UTM, compress="zstd").close()
    write(folder / "large.tif", noise("uint8", 1, 600, 900), **UTM).close()
    write(folder / "many.tif", noise("uint8", 300, 5, 6), **UTM, photometric="MINISBLACK").close()
    write(folder / "sparse.tif", np.zeros((1, 16, 16), "uint8"), **UTM).close()
    with rasterio.open(
        folder / "terabyte.tif", "w", driver="GTiff", width=1_000_000, height=1_000_000, count=1, dtype="uint8", tiled=True,
        sparse_ok=True, bigtiff="yes", blockxsize=4096, blockysize=4096, compress="deflate", **UTM,
    ):  # fmt: skip
        pass
    write(folder / "image.img", noise("int16", 1, 70, 80), driver="HFA", **UTM, nodata=-1).close()
    degrees = {"crs": "EPSG:4326", "transform": from_origin(8 - 1 / 2400, 51 + 1 / 2400, 1 / 1200, 1 / 1200)}
    write(folder / "n50.dt1", noise("int16", 1, 1201, 1201) % 3000, driver="DTED", **degrees).close()
    write(folder / "scene.bil", noise("uint16", 3, 40, 50), driver="ENVI", interleave="line", **UTM, nodata=7).close()
    write(folder / "N50E008.hgt", noise("int16", 1, 1201, 1201) % 3000, driver="SRTMHGT", **degrees).close()
    points = noise("float32", 1, 30, 40).round(2)
    write(folder / "points.xyz", points, driver="XYZ", **UTM).close()
    steep = noise("int16", 1, 1201, 1201) % 300
    write(folder / "quad.dem", steep, driver="USGSDEM", **degrees).close()
    photo = noise("uint8", 3, 300, 400)
    mercator = {"crs": "EPSG:3857", "transform": from_origin(0, 0, 156543.03392804097 / 2**10, 156543.03392804097 / 2**10)}
    for driver, name in (("GPKG", "photo.gpkg"), ("MBTiles", "photo.mbtiles")):
        more = {"TILE_FORMAT": "PNG"}
        write(folder / name, photo, driver=driver, **mercator, **more).close()
    weather = np.arange(3000, dtype="float64").reshape(1, 50, 60)
    write(folder / "weather.grib2", weather, driver="GRIB", crs="EPSG:4326", transform=from_origin(8, 51, 0.1, 0.1)).close()
    slope = np.broadcast_to(np.arange(70, dtype="uint8") * 3, (3, 60, 70))
    for driver, name, pixels in (("PNG", "picture.png", noise("uint8", 3, 60, 70)), ("JPEG", "photo.jpg", slope)):
        write(folder / name, pixels, driver=driver).close()
    for aside in folder.glob("*.aux.xml"):
        aside.unlink()
    for name in ("picture.pgw", "photo.jgw"):
        (folder / name).write_text("2\n0\n0\n-2\n500001\n5299999\n")
    (folder / "photo.prj").write_text(rasterio.crs.CRS.from_epsg(25832).to_wkt(version="WKT1_ESRI"))
    (folder / "grid.asc").write_text(
        "ncols 4\nnrows 3\nxllcorner 500000\nyllcorner 5300000\ncellsize 10\nNODATA_value -9999\n"
        "1 2 3 4\n5 -9999 7 8\n9 10 11 12.25\n"
    )


def facts(path: str) -> dict[str, Any]:
    """What rasterio says of a raster."""
    with rasterio.open(path) as raster:
        tags = {key: value.strip() for key, value in raster.tags().items() if value.strip()}
        return {
            "shape": raster.shape, "dtypes": raster.dtypes, "transform": [*raster.transform], "nodata": str(raster.nodatavals),
            "crs": str(raster.crs or raster.gcps[1]), "gcps": [(p.row, p.col, p.x, p.y) for p in raster.gcps[0]],
            "colours": [colour.name for colour in raster.colorinterp], "names": raster.descriptions, "units": raster.units,
            "scales": (raster.scales, raster.offsets), "flags": [[flag.name for flag in band] for band in raster.mask_flag_enums],
            "tags": {"AREA_OR_POINT": "Area"} | tags, "acquisition": raster.tags(ns="ACQUISITION"),
            "sensor": raster.tags(1).get("SENSOR"),
        }  # fmt: skip


def differences(source: str, made: str) -> list[str]:
    """In what two rasters differ, and in what the second one is no COG."""
    from rio_cogeo.cogeo import cog_validate

    one, other = facts(source), facts(made)
    found = [f"{name}: {one[name]} / {other[name]}" for name in one if one[name] != other[name]]
    with rasterio.open(source) as before, rasterio.open(made) as after:
        pixels, written = before.read(), after.read()
        if before.driver == "JPEG" and np.abs(pixels.astype(int) - written).max() <= 1:  # two decoders of JPEG
            pixels = written
        if not np.array_equal(pixels, written, equal_nan=before.dtypes[0].startswith("float")):
            found.append("pixels")
        if not np.array_equal(before.dataset_mask(), after.dataset_mask()):
            found.append("mask")
        if before.colorinterp[0] is ColorInterp.palette:
            then, now = before.colormap(1), after.colormap(1)
            found += [f"colour {value}" for value in range(5) if then[value][:3] != now[value][:3]]
    valid, errors, warnings = cog_validate(made, strict=True)
    return found if valid else [*found, *errors, *warnings]


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        json.dump({source: differences(source, made) for source, made in json.load(sys.stdin)}, sys.stdout)
