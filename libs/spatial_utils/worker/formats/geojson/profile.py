"""What stands in a file of GeoJSON features, looked at before GDAL reads it, which passes over much of it without a word.

RFC 7946 (GeoJSON) and RFC 8142 (text sequences; the newline-delimited spelling is common practice).

Upstream: OSGeo/gdal#11990 (coordinates that are not numbers), OSGeo/gdal#11515 (members beside properties, by an option).
No upstream issue is known of the rest (GDAL 3.12.4).
"""

import gc
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pyarrow as pa

from libs.remedies import way_in
from libs.spatial_utils.worker.formats.geojson import corrections, other_json
from libs.spatial_utils.worker.formats.geojson.checks import CheckedBytes, check_declared
from libs.spatial_utils.worker.formats.geojson.named_crs import NamedCrs
from libs.spatial_utils.worker.formats.geojson.parsing import GEOMETRIES, Around, features_of, shown
from libs.spatial_utils.worker.formats.geojson.source import Source
from libs.spatial_utils.worker.formats.pages import Page
from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.quarantine import FIX, REJECT
from libs.spatial_utils.worker.values import times
from libs.spatial_utils.worker.values.doubles import EXACT, is_rounded
from libs.spatial_utils.worker.values.geometry_types import LOWER_CASE_DEPTHS
from libs.spatial_utils.worker.values.json_values import tell_foreign, texts

_READ_TYPES = GEOMETRIES | other_json.CURVES
_MEMBERS = frozenset({"type", "id", "bbox", "properties", "geometry"})
_INT64 = range(-(2**63), 2**63)
_NULL = type(None)


class GeoJSONProfile:
    """What the features of a file consist of, in its order.

    Attributes:
        features: Their number.
        names: Of all their properties.
        crs: What the file says of its CRS.
        page: What the file says of further features elsewhere.
        untidy: Whether a sequence has what GDAL stumbles over: a byte order mark, blank lines, several features in one.
        not_utf8: Whether there are bytes that are not UTF-8.
        exact_times: Whether GDAL has to leave times as text, since it would not read all that they say.
        damaged: By number of the feature, from 0: what is wrong with its geometry, and the geometry as it is corrected, if it is.
    """

    def __init__(
        self,
        pieces: Callable[[], Iterator[list[Any]]] | None = None,
        on_bad_geometry: str = REJECT,
        on_bad_value: str = REJECT,
    ) -> None:
        """Nothing yet.

        Args:
            pieces: The features, from the start, whenever it is called.
            on_bad_geometry: The policy.
            on_bad_value: The policy.
        """
        self._on_bad_value = on_bad_value
        self.damaged, self._on_bad_geometry = dict[int, tuple[Unreadable, corrections.Corrected | None]](), on_bad_geometry
        self.features, self.untidy, self.exact_times, self.not_utf8 = 0, False, False, False
        self.crs = NamedCrs()
        self.page = Page()
        self._pieces = pieces
        self._kinds = set[tuple[str, type]]()
        self._times = defaultdict[str, times.TimeInference](lambda: times.TimeInference(pa.string()))
        self._wide = defaultdict[str, list[int]](list)
        self._parts = defaultdict[str, set[type]](set)
        self._foreign = set[str]()
        self._ids, self._any_id, self._same_ids = list[pa.Array](), False, True
        self._empty_points = self._uneven = 0

    @classmethod
    def of(cls, source: Source, driver: str, on_bad_geometry: str = REJECT, on_bad_value: str = REJECT) -> "GeoJSONProfile":
        """What stands in a file, which is read once.

        Args:
            source: Of the file.
            driver: Of GDAL.
            on_bad_geometry: The policy. If it is not to reject, geometries that cannot be read are noted in ``damaged``.
            on_bad_value: The policy. If it is not to reject, columns may have a type that some integers do not fit.

        Raises:
            Unreadable: for what is not a feature, for broken JSON, for bad coordinates, for texts with a NUL character,
                which C cuts, and for a sequence declared as one document, or the other way round.
        """
        check_declared(source, driver)
        contents, around = cls(lambda: features_of(source.opened(), driver, Around()), on_bad_geometry, on_bad_value), Around()
        gc.disable()  # it would look at every list again and again; JSON has no cycles
        try:
            with CheckedBytes(source) as checked:
                for piece in features_of(checked.buffered(), driver, around):
                    contents.add(piece)
        finally:
            gc.enable()
        contents.look_at(around.members)
        contents.untidy, contents.exact_times = around.untidy, checked.partly_read_times
        contents.not_utf8 = around.not_utf8
        return contents

    @classmethod
    def of_features(cls, features: list[Any]) -> "GeoJSONProfile":
        """The same of features."""
        contents = cls(lambda: iter([features]))
        contents.add(features)
        return contents

    def look_at(self, members: dict[str, Any]) -> None:
        """Look at the members of the file itself."""
        self.crs.at_head(members.get("crs"))
        self.page = Page.of_members(members)

    def add(self, features: list[Any]) -> None:
        """Look at more features.

        Raises:
            Unreadable: naming the first value that is not one.
        """
        if not features:
            return
        self._check(features)
        rows = _rows(features)
        self._kinds |= set(zip(chain.from_iterable(rows), map(type, chain.from_iterable(map(dict.values, rows))), strict=True))
        for name, value in ((name, value) for row in rows for name, value in row.items() if type(value) in _WATCHED):
            self._classify(name, value)
        self._survey(rows)
        if foreign := set[str]().union(*features) - _MEMBERS:
            if "crs" in foreign:
                foreign.remove("crs")
                for feature in features:
                    self.crs.inside(feature.get("crs"))
            named = [feature for feature in features if "properties" in feature]
            self._foreign |= foreign & set[str]().union(*named)
        self._add_ids([feature.get("id") for feature in features], [row.get("id") for row in rows])
        self.features += len(features)

    @property
    def names(self) -> set[str]:
        """Of all properties."""
        return {name for name, _ in self._kinds}

    @property
    def ids(self) -> pa.ChunkedArray | None:
        """The ids of the features, null where one has none; None if there are none, or no others than the property ``id``."""
        if not self._any_id or self._same_ids:
            return None
        kind = pa.int64() if all(part.type == pa.int64() for part in self._ids) else pa.string()
        return pa.chunked_array([part.cast(kind) for part in self._ids], kind)

    def remade(self) -> dict[str, pa.DataType]:
        """Properties of which GDAL would make something else, with the type that keeps every value.

        Raises:
            Unreadable: ``integer_lost``, for an integer that no column keeps.
        """
        kinds = defaultdict[str, set[type]](set)
        for name, kind in self._kinds:
            kinds[name].add(kind)
        types = {name: self._type(name, found - {_NULL}) for name, found in kinds.items()}
        return {name: kind for name, kind in types.items() if kind is not None}

    def types_of_times(self) -> dict[str, pa.DataType]:
        """Properties of which every value is a time or a date, with the type that keeps all that they say."""
        return {name: survey.type for name, survey in self._times.items() if not pa.types.is_string(survey.type)}

    def mixed_times(self) -> list[str]:
        """Properties of times and dates that do not agree: in their time zone, or some have no time of day."""
        return sorted(name for name, survey in self._times.items() if survey.settled and not survey.other)

    def again(self, meet: Callable[[int, str, int, int], None]) -> "Again":
        """The values of the properties once more, from the first."""
        return Again(map(_rows, self._pieces() if self._pieces else iter(())), meet)

    def tell(self, notes: Notes, place: str, columns: set[str]) -> None:
        """Warn of what does not become a column, and of what is read as something else."""
        tell_foreign((self._foreign | self.names) - columns, notes, place)
        if self._empty_points:
            notes.warn(
                "empty_points",
                f"{self._empty_points:,} points without coordinates are read as missing geometries, as RFC 7946 allows.",
                "Write null where there is no geometry.",
                place,
            )
        if self._uneven:
            notes.warn(
                "heights_missing",
                f"{self._uneven:,} geometries have positions with a height and others without: these get the height 0.",
                "Give every position of a geometry a height, or none.",
                place,
            )

    def _check(self, features: list[Any]) -> None:
        for number, feature in enumerate(features, self.features + 1):
            if type(feature) is not dict or feature.get("type") != "Feature":
                raise Unreadable(
                    "damaged",
                    f"Member {number:,} of the FeatureCollection is no feature: {shown(feature)}.",
                    'Correct it: a feature has "type": "Feature".',
                    f"feature {number}",
                )
            properties = feature.get("properties")
            if properties is not None and type(properties) is not dict:
                raise Unreadable(
                    "damaged",
                    f"The properties of feature {number:,} are no object: {shown(properties)}.",
                    "Write an object, with a name for every value, or null.",
                    f"feature {number}",
                )
            try:
                geometry = feature.get("geometry")
                if geometry:  # an empty object says as much as null
                    self._check_geometry(geometry, number)
                elif "place" in feature:
                    other_json.check_place(feature, number)
            except Unreadable as problem:
                if self._on_bad_geometry == REJECT:
                    problem.remedy += way_in("geometry")
                    raise
                fixed = corrections.without_empty_vertices(geometry) if self._on_bad_geometry == FIX else None
                self.damaged[number - 1] = problem, fixed

    def _check_geometry(self, geometry: Any, number: int) -> None:
        kind = geometry.get("type") if type(geometry) is dict else None
        if not isinstance(kind, str) or kind.lower() not in _READ_TYPES:
            raise other_json.unknown_geometry(geometry, number)
        if "crs" in geometry:
            self.crs.inside(geometry["crs"])
        depth = LOWER_CASE_DEPTHS.get(kind.lower())
        coordinates = geometry.get("coordinates")
        if depth is not None and coordinates is not None:
            if depth == 1 and coordinates == []:
                self._empty_points += 1
            else:
                self._uneven += _lengths(coordinates, depth, number) == {2, 3}
        for member in geometry.get("geometries") or ():
            self._check_geometry(member, number)

    def _classify(self, name: str, value: Any) -> None:
        """Note what a value is made of that may be too much for a column."""
        if type(value) is int:
            if not -EXACT <= value <= EXACT:
                self._wide[name].append(value)
                self._wide[name] = _extremes(self._wide[name])
            return
        for leaf in _leaves(value):
            self._parts[name].add(type(leaf))
            if type(leaf) is int and not -EXACT <= leaf <= EXACT:
                self._wide[name] = _extremes([*self._wide[name], leaf])

    def _survey(self, rows: list[dict[str, Any]]) -> None:
        """Look for times among the values of the properties that have had nothing but times so far."""
        for name in [name for name, kind in self._kinds if kind is str and not self._times[name].settled]:
            values = [value for row in rows if type(value := row.get(name)) is str]
            try:
                self._times[name].add(pa.array(values, pa.string()))
            except UnicodeEncodeError:  # no time; reading will refuse it
                self._times[name].other = True

    def _type(self, name: str, kinds: set[type]) -> pa.DataType | None:
        """That of a property that is made here of its values; None where GDAL's is right."""
        wide = self._wide.get(name, [])
        beyond = [number for number in wide if number not in _INT64]
        if kinds <= {int, float}:
            for number in wide if float in kinds or beyond else ():
                if is_rounded(number):
                    if self._on_bad_value == REJECT:
                        problem = integer_lost(name, number)
                        problem.remedy += way_in("value")
                        raise problem
                    return pa.float64() if float in kinds else pa.int64()
            return pa.int64() if wide and kinds == {int} and not beyond else None
        if len(kinds) > 1:
            return pa.string()
        parts = self._parts.get(name, set[type]())
        numbers = parts & {int, float}
        return pa.string() if (bool in parts and numbers) or (wide and (float in parts or beyond)) else None

    def _add_ids(self, ids: list[Any], properties: list[Any]) -> None:
        kinds = set(map(type, ids))
        self._any_id |= kinds != {_NULL}
        self._same_ids = self._same_ids and ids == properties
        if kinds <= {int, _NULL} and all(value is None or value in _INT64 for value in ids):
            self._ids.append(pa.array(ids, pa.int64()))
        else:
            self._ids.append(texts(ids, "id"))


def integer_lost(name: str, number: int, place: str = "") -> Unreadable:
    """What to say of an integer that no column of numbers keeps beside the others."""
    return Unreadable(
        "integer_lost",
        f"The integer {shown(number)} of the property {name!r} would be rounded: it has too many digits, or stands among "
        "fractions.",
        "Write the property as text (in quotation marks), or use GeoPackage.",
        place,
    )


class Again:
    """The values of properties, batch by batch, beside what GDAL reads of them.

    Args:
        pieces: The properties of the features, from the first.
        meet: Takes an integer that its column does not hold, where a policy says what to do: row of the batch, name, number of
            the feature, integer.
    """

    def __init__(self, pieces: Iterator[list[dict[str, Any]]], meet: Callable[[int, str, int, int], None]) -> None:
        self._meet = meet
        self._pieces, self._rows, self._first = pieces, list[dict[str, Any]](), 0

    def column(self, name: str, kind: pa.DataType, first: int, length: int) -> pa.Array:
        """The values of a property from one feature on. No call may go back."""
        del self._rows[: first - self._first]
        self._first = first
        while len(self._rows) < length and (rows := next(self._pieces, None)) is not None:
            self._rows += rows
        values = [row.get(name) for row in self._rows[:length]]
        if len(values) < length:
            raise Unreadable("count_mismatch", f"There is no feature {first + length:,} in the file.", "Write the file again.")
        if pa.types.is_string(kind):
            return texts(values, name)
        for row, value in enumerate(values):
            if type(value) is int and (is_rounded(value) if kind == pa.float64() else value not in _INT64):
                self._meet(row, name, first + row + 1, value)
                values[row] = None
        return pa.array(values if kind == pa.int64() else [None if value is None else float(value) for value in values], kind)


def _rows(features: list[Any]) -> list[dict[str, Any]]:
    """The properties of features. Of those that have none, GDAL takes all other members."""
    return [
        feature["properties"] or {}
        if "properties" in feature
        else {name: value for name, value in feature.items() if name not in _MEMBERS}
        for feature in features
    ]


def _lengths(coordinates: Any, depth: int, number: int) -> set[int]:
    """How many numbers the positions of a geometry have.

    Raises:
        Unreadable: for what is no coordinates of this depth: then GDAL makes null of the whole geometry, or of a part.
    """
    try:
        positions = [coordinates] if depth == 1 else coordinates
        for _ in range(depth - 2):
            positions = list(chain.from_iterable(_lists(positions)))
        lengths = set(map(len, _lists(positions)))
        if min(lengths, default=2) > 1 and set(map(type, chain.from_iterable(positions))) <= {int, float}:
            return lengths
    except TypeError:
        pass
    raise Unreadable(
        "damaged_geometry",
        f"The geometry of feature {number:,} has wrong coordinates: {shown(coordinates)}.",
        "A position is a list of two or three numbers; a geometry that is missing is null.",
        f"feature {number}",
    )


def _lists(values: Any) -> list[Any]:
    if type(values) is not list or not set(map(type, values)) <= {list}:
        raise TypeError
    return values


def _leaves(value: Any) -> Iterator[Any]:
    """What stands in a list or an object, however deep."""
    if isinstance(value, list | dict):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _leaves(member)
    else:
        yield value


def _extremes(numbers: list[int]) -> list[int]:
    """Of some integers those that decide: the least, the largest, and one that no double is."""
    rounded = next((number for number in numbers if is_rounded(number)), None)
    return list(dict.fromkeys([*([] if rounded is None else [rounded]), min(numbers), max(numbers)]))


_WATCHED = frozenset({int, list, dict})
