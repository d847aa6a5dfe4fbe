"""The recipes that the platform comes with."""

from libs.transformations.crs import DEFAULT_CRS
from libs.transformations.parameter import Parameter, ParameterType
from libs.transformations.recipe import Recipe, RecipeInput

DEFAULT = "default"

ALIASES = {"ingest_vector": DEFAULT}
"""Intents that are another name of a recipe."""

_REPAIR = {"op": "repair"}
_REPROJECT = {"op": "reproject", "crs": {"$param": "crs"}}
_CRS = Parameter(
    name="crs", type=ParameterType.CRS, default=DEFAULT_CRS, description="CRS of the result: 'EPSG:3857', 'EPSG:25832', or WKT."
)
_LATLON = ({"op": "reproject", "crs": DEFAULT_CRS}, _REPAIR)

INGEST_RASTER = Recipe(
    name="ingest_raster",
    description="Rasters as they are: every pixel, the CRS, as Cloud Optimized GeoTIFF. Layers and tables as with 'raw'.",
)
"""What a raster is made by, whatever recipe without steps for rasters the batch has."""

_RASTER = (
    Recipe(
        name="warp",
        description="A raster in another CRS, resolution or grid. Where it has no data afterwards, it says so.",
        parameters=(
            Parameter(name="crs", type=ParameterType.CRS, description="CRS of the result. Left out: the source's."),
            Parameter(
                name="resolution", type=ParameterType.NUMBER,
                description="Side of a pixel, in units of the CRS. Left out: the one that keeps the number of pixels.",
            ),
            Parameter(
                name="align", type=ParameterType.BOOLEAN, default=False,
                description="Whether the extent lies on multiples of the resolution, so that rasters of one grid fit.",
            ),
            Parameter(
                name="resampling", type=ParameterType.TEXT, default="nearest",
                description="nearest, bilinear, cubic, cubicspline, lanczos, average, mode, min, max or med.",
            ),
            Parameter(
                name="nodata", type=ParameterType.VALUE,
                description="Value of pixels without data: -9999, or nan. Left out: the source's.",
            ),
        ),
        steps=(
            {
                "op": "warp", "crs": {"$param": "crs"}, "resolution": {"$param": "resolution"}, "align": {"$param": "align"},
                "resampling": {"$param": "resampling"}, "nodata": {"$param": "nodata"},
            },
        ),
    ),
    Recipe(
        name="clip_raster",
        description="The pixels of a raster in a box, as they are and where they are.",
        parameters=(
            Parameter(name="bbox", type=ParameterType.NUMBERS, required=True, description="xmin, ymin, xmax, ymax."),
            Parameter(name="crs", type=ParameterType.CRS, description="CRS of the box. Left out: the raster's."),
        ),
        steps=({"op": "clip_raster", "bbox": {"$param": "bbox"}, "crs": {"$param": "crs"}},),
    ),
    Recipe(
        name="select_bands",
        description="Some bands of a raster, in the order that is given.",
        parameters=(
            Parameter(name="bands", type=ParameterType.NUMBERS, required=True, description="Their numbers, from 1: [4, 3, 2]."),
        ),
        steps=({"op": "select_bands", "bands": {"$param": "bands"}},),
    ),
    Recipe(
        name="cast_pixels",
        description="Another type of pixels. Whole numbers round fractions; a value that does not fit rejects the batch.",
        parameters=(
            Parameter(
                name="type", type=ParameterType.TEXT, required=True,
                description="uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32 or float64.",
            ),
        ),
        steps=({"op": "cast_pixels", "type": {"$param": "type"}},),
    ),
    Recipe(
        name="set_nodata",
        description="Say which value of a raster means that there is no data. No pixel is changed.",
        parameters=(
            Parameter(
                name="nodata", type=ParameterType.VALUE, required=True,
                description="The value, such as -9999, or nan; none: every value is data.",
            ),
        ),
        steps=({"op": "set_nodata", "nodata": {"$param": "nodata"}},),
    ),
    Recipe(
        name="hillshade",
        description="The relief of an elevation model as light and shadow.",
        parameters=(
            Parameter(
                name="azimuth", type=ParameterType.NUMBER, default=315, description="Where the light comes from, in degrees."
            ),
            Parameter(
                name="altitude", type=ParameterType.NUMBER, default=45,
                description="Of the light, in degrees above the horizon.",
            ),
            Parameter(name="zfactor", type=ParameterType.NUMBER, default=1, description="By which heights are multiplied."),
        ),
        steps=(
            {
                "op": "hillshade", "azimuth": {"$param": "azimuth"}, "altitude": {"$param": "altitude"},
                "zfactor": {"$param": "zfactor"},
            },
        ),
    ),
    Recipe(
        name="slope",
        description="How steep an elevation model is.",
        parameters=(
            Parameter(name="unit", type=ParameterType.TEXT, default="degree", description="degree or percent."),
        ),
        steps=({"op": "slope", "unit": {"$param": "unit"}},),
    ),
)  # fmt: skip

BUILTIN = (
    Recipe(
        name=DEFAULT,
        description="Reproject to longitude and latitude (EPSG:4326) and repair invalid geometries. Nothing else is changed.",
        steps=_LATLON,
    ),
    Recipe(
        name="ingest_tabular",
        description="A table as it is: every row, every column, every type.",
    ),
    INGEST_RASTER,
    Recipe(
        name="raw",
        description="Everything as it is: the CRS, every coordinate, invalid geometries too.",
    ),
    Recipe(
        name="keep_crs",
        description="Keep the CRS of the source and repair invalid geometries.",
        steps=(_REPAIR,),
    ),
    Recipe(
        name="reproject",
        description="Reproject to a CRS of your choice and repair invalid geometries.",
        parameters=(_CRS.model_copy(update={"required": True, "default": None}),),
        steps=(_REPROJECT, _REPAIR),
    ),
    Recipe(
        name="web_mercator",
        description="Reproject to Web Mercator (EPSG:3857), for web maps, and repair invalid geometries.",
        steps=({"op": "reproject", "crs": "EPSG:3857"}, _REPAIR),
    ),
    Recipe(
        name="simplify",
        description="Leave out vertices within a tolerance, feature by feature, in the CRS of the result.",
        parameters=(
            Parameter(
                name="tolerance",
                type=ParameterType.OBJECT,
                required=True,
                description="How far a line may move: {'value': 5, 'unit': 'm'}. Units: m, km, ft, us_ft, deg, crs.",
            ),
            Parameter(
                name="crs", type=ParameterType.CRS, description="CRS to simplify in, and of the result. Left out: the source's."
            ),
        ),
        steps=(_REPROJECT, _REPAIR, {"op": "simplify", "tolerance": {"$param": "tolerance"}}, _REPAIR),
    ),
    Recipe(
        name="set_precision",
        description="Move vertices to a grid in the CRS of the result, so that no coordinate says more than is known.",
        parameters=(
            Parameter(
                name="grid",
                type=ParameterType.OBJECT,
                required=True,
                description="Distance of the grid's points: {'value': 0.01, 'unit': 'm'}. Units: m, km, ft, us_ft, deg, crs.",
            ),
            Parameter(name="crs", type=ParameterType.CRS, description="CRS of the grid and the result. Left out: the source's."),
        ),
        steps=(_REPROJECT, _REPAIR, {"op": "set_precision", "grid": {"$param": "grid"}}),
    ),
    Recipe(
        name="clip",
        description="Keep what lies in an area, cut at its border: give 'bbox' or 'area'. Otherwise as 'default'.",
        parameters=(
            Parameter(name="bbox", type=ParameterType.NUMBERS, description="[xmin, ymin, xmax, ymax] in area_crs."),
            Parameter(
                name="area",
                type=ParameterType.VALUE,
                description="Polygon or MultiPolygon in area_crs, as a GeoJSON geometry or WKT.",
            ),
            Parameter(name="area_crs", type=ParameterType.CRS, default="EPSG:4326", description="CRS of 'bbox' or 'area'."),
            _CRS,
        ),
        steps=(
            _REPROJECT,
            _REPAIR,
            {"op": "clip", "bbox": {"$param": "bbox"}, "area": {"$param": "area"}, "crs": {"$param": "area_crs"}},
        ),
    ),
    Recipe(
        name="dissolve",
        description="Unite the geometries of all features that agree in some columns. Otherwise as 'default'.",
        parameters=(
            Parameter(
                name="by", type=ParameterType.NAMES, description="Columns to agree in. Left out: everything becomes one feature."
            ),
            Parameter(
                name="aggregate",
                type=ParameterType.OBJECT,
                description="Further columns: {'parcels': {'op': 'count'}, 'area': {'op': 'sum', 'column': 'area'}}. "
                "Operations: count, sum, min, max, first.",
            ),
            _CRS,
        ),
        steps=(_REPROJECT, _REPAIR, {"op": "dissolve", "by": {"$param": "by"}, "aggregate": {"$param": "aggregate"}}),
    ),
    Recipe(
        name="explode",
        description="Make a feature of every part of a multi-geometry or collection. Otherwise as 'default'.",
        parameters=(_CRS,),
        steps=(_REPROJECT, _REPAIR, {"op": "explode"}),
    ),
    Recipe(
        name="force_2d",
        description="Leave out heights. Otherwise as 'default'.",
        parameters=(_CRS,),
        steps=({"op": "force_2d"}, _REPROJECT, _REPAIR),
    ),
    Recipe(
        name="filter",
        description="Keep the features that meet a condition on their attributes. Otherwise as 'default'.",
        parameters=(
            Parameter(
                name="condition",
                type=ParameterType.OBJECT,
                required=True,
                description="{'column': 'kind', 'op': 'in', 'value': ['road', 'path']}, or conditions joined: {'all': [...]}, "
                "{'any': [...]}, {'not': ...}. Operations: eq, ne, lt, le, gt, ge, in, not_in, between, is_null, not_null, "
                "starts_with, ends_with, contains, like.",
            ),
            _CRS,
        ),
        steps=({"op": "filter", "condition": {"$param": "condition"}}, _REPROJECT, _REPAIR),
    ),
    Recipe(
        name="select",
        description="Keep some columns: give 'columns' or 'without'. Otherwise as 'default'.",
        parameters=(
            Parameter(name="columns", type=ParameterType.NAMES, description="Columns to keep, in this order."),
            Parameter(name="without", type=ParameterType.NAMES, description="Columns to leave out."),
            _CRS,
        ),
        steps=(
            {"op": "select", "columns": {"$param": "columns"}, "without": {"$param": "without"}},
            _REPROJECT,
            _REPAIR,
        ),
    ),
    Recipe(
        name="rename",
        description="Give columns other names. Otherwise as 'default'.",
        parameters=(
            Parameter(
                name="columns",
                type=ParameterType.OBJECT,
                required=True,
                description="Old name to new name: {'NAME_1': 'name'}. Names may be swapped.",
            ),
            _CRS,
        ),
        steps=({"op": "rename", "columns": {"$param": "columns"}}, _REPROJECT, _REPAIR),
    ),
    Recipe(
        name="cast",
        description="Give columns other types, without changing a value. Otherwise as 'default'.",
        parameters=(
            Parameter(
                name="columns",
                type=ParameterType.OBJECT,
                required=True,
                description="Column to type: {'built': 'date'}. Types: int32, int64, double, string, bool, date, timestamp, "
                "timestamp_utc.",
            ),
            Parameter(
                name="on_error",
                type=ParameterType.TEXT,
                default="reject",
                description="'reject' the batch when a value has no exact counterpart, or make it 'null' and count it.",
            ),
            _CRS,
        ),
        steps=({"op": "cast", "columns": {"$param": "columns"}, "on_error": {"$param": "on_error"}}, _REPROJECT, _REPAIR),
    ),
    Recipe(
        name="join",
        description="Add columns of a table or layer, the input 'other', by a key. Otherwise as 'default'.",
        inputs=(RecipeInput(name="other", description="Table or layer with the columns to add."),),
        parameters=(
            Parameter(
                name="on",
                type=ParameterType.VALUE,
                required=True,
                description="The key: 'id', ['id', 'year'], or {'id': 'area_id'} where the column of the input has another name.",
            ),
            Parameter(
                name="columns",
                type=ParameterType.VALUE,
                description="Columns to add: ['name'], or with new names {'name': 'other_name'}. Left out: all but the key.",
            ),
            Parameter(
                name="how",
                type=ParameterType.TEXT,
                default="left",
                description="'left': keep every feature. 'inner': those that find a row. 'anti': those that find none.",
            ),
            Parameter(
                name="cardinality",
                type=ParameterType.TEXT,
                default="one",
                description="'one': a feature finds one row at most. 'many': it becomes a feature for each.",
            ),
            Parameter(
                name="max_unmatched",
                type=ParameterType.VALUE,
                description="How many features may find no row: a number, or a share such as 0.05 or 5%.",
            ),
            Parameter(
                name="max_doubled",
                type=ParameterType.VALUE,
                description="How many features may find several rows, where they may: a number, or a share.",
            ),
            Parameter(
                name="cast",
                type=ParameterType.OBJECT,
                description="Types of columns to change before, such as {'id': 'string'}: keys must be of one type.",
            ),
            _CRS,
        ),
        steps=(
            {"op": "cast", "columns": {"$param": "cast"}},
            {
                "op": "join",
                "input": "other",
                **{name: {"$param": name} for name in ("on", "columns", "how", "cardinality", "max_unmatched", "max_doubled")},
            },
            _REPROJECT,
            _REPAIR,
        ),
    ),
    Recipe(
        name="spatial_join",
        description="Add columns of a layer, the input 'other', by where features lie. Otherwise as 'default'.",
        inputs=(RecipeInput(name="other", description="Layer with the columns to add."),),
        parameters=(
            Parameter(
                name="predicate",
                type=ParameterType.TEXT,
                default="intersects",
                description="What a feature does to one of the input: 'intersects', 'within', 'contains', or is 'nearest'.",
            ),
            Parameter(
                name="distance",
                type=ParameterType.OBJECT,
                description="How far the nearest may be: {'value': 50, 'unit': 'm'}. Units: m, km, ft, us_ft, deg, crs.",
            ),
            Parameter(
                name="take",
                type=ParameterType.TEXT,
                default="one",
                description="Of several: 'one', the 'largest' overlap, or 'all': the feature becomes one for each.",
            ),
            Parameter(name="ties", type=ParameterType.NAMES, description="Columns of the input that decide between equals."),
            Parameter(
                name="columns",
                type=ParameterType.VALUE,
                description="Columns to add: ['name'], or with new names {'name': 'other_name'}. Left out: all.",
            ),
            Parameter(
                name="how",
                type=ParameterType.TEXT,
                default="left",
                description="'left': keep every feature. 'inner': those that find one. 'anti': those that find none.",
            ),
            Parameter(
                name="max_unmatched",
                type=ParameterType.VALUE,
                description="How many features may find none: a number, or a share such as 0.05 or 5%.",
            ),
            Parameter(
                name="max_doubled",
                type=ParameterType.VALUE,
                description="How many features may find several: a number, or a share.",
            ),
            Parameter(
                name="crs",
                type=ParameterType.CRS,
                default=DEFAULT_CRS,
                description="CRS of the result, in which it is looked where features lie. For metres, one in metres.",
            ),
        ),
        steps=(
            _REPROJECT,
            _REPAIR,
            {
                "op": "spatial_join",
                "input": "other",
                **{
                    name: {"$param": name}
                    for name in (
                        "predicate",
                        "distance",
                        "take",
                        "ties",
                        "columns",
                        "how",
                        "max_unmatched",
                        "max_doubled",
                    )
                },
            },
        ),
    ),
    *(
        Recipe(
            name=name,
            description=f"{what} the polygons of a layer, the input 'other'. Otherwise as 'default'.",
            inputs=(RecipeInput(name="other", description="Layer with the polygons."),),
            parameters=(_CRS,),
            steps=(_REPROJECT, _REPAIR, {"op": name, "input": "other"}),
        )
        for name, what in (("clip_by", "Keep what lies in"), ("erase", "Cut away what lies in"))
    ),
    *_RASTER,
)
