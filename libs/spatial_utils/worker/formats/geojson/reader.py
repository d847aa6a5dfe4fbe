"""GeoJSON and sequences of it: a large file of ordinary features is parsed by Arrow, every other file by GDAL."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from libs.spatial_utils.worker.formats.geojson import checks
from libs.spatial_utils.worker.formats.geojson.features.framing import find
from libs.spatial_utils.worker.formats.geojson.features.layer import ParsedLayer
from libs.spatial_utils.worker.formats.geojson.parsing import tidied
from libs.spatial_utils.worker.formats.geojson.profile import GeoJSONProfile, integer_lost
from libs.spatial_utils.worker.formats.geojson.source import source_of
from libs.spatial_utils.worker.ogr.columns import Column
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.messages import MessageRules
from libs.spatial_utils.worker.ogr.reader import OgrReader
from libs.spatial_utils.worker.protocol import OpenFile, SchemaInferenceFailed, Unreadable
from libs.spatial_utils.worker.quarantine import REJECT
from libs.spatial_utils.worker.values.json_values import name_of_ids
from libs.spatial_utils.worker.values.text import Decoder

_OF_GEOMETRIES = re.compile(r"OGRGeoJSON(?:Read\w+|GetCoordinate)\(\)|Invalid (?:\w+ object\.|'[^']*' coordinate\.)")
"""What GDAL says of geometries that it cannot read."""


class Reader(OgrReader):
    """See ``OgrReader``."""

    messages = MessageRules(
        harmless=(
            re.compile(r"Invalid coord dimension for '\[ \]'"),  # an empty point: RFC 7946 lets it be read as a missing geometry
            re.compile("Several features with id"),  # ids are a column of their own, whatever GDAL makes of them
            re.compile("Integer values probably ranging out of 64bit integer range"),  # the profile of the file finds them
        )
    )
    time_zones_known = True

    _profile: GeoJSONProfile
    _mixed_times: Sequence[str] = ()
    _times_as_text: bool
    """GDAL leaves what looks like a time as text."""

    def open(self) -> None:
        """See ``FileReader``."""
        layer = self._parsed_layer() if self.request.may_infer and self.request.encoding is None else None
        if layer is None:
            super().open()
        elif self.add_name(layer.name):
            self.opened.layers.append(layer)
            self.opened.inferred = True

    def check_before(self) -> None:
        """See ``OgrReader``."""
        source = source_of(self.path, self.request.driver, self.request.encoding, self.notes)
        try:
            policies = [self.request.policies.get(f"on_bad_{kind}") or REJECT for kind in ("geometry", "value")]
            self._profile = GeoJSONProfile.of(source, self.request.driver, *policies)
        except Unreadable as error:
            if self.prefix:  # one of several files
                error.place = f"{self.path.name}, {error.place}"
            raise
        self._profile.page.tell(self._profile.features, self.notes, self.path.name if self.prefix else "")
        # Policies deal with the single values; without one, such columns stay as they are.
        keeps = (self.request.policies.get("on_bad_value") or REJECT) == REJECT
        self._mixed_times = self._profile.mixed_times() if keeps else []
        self._times_as_text = self._profile.exact_times or bool(self._mixed_times)
        if self._profile.damaged:  # each of them is known
            self.messages = replace(self.messages, harmless=(*self.messages.harmless, _OF_GEOMETRIES))
        if self._profile.untidy:
            self.source = self.gdal.held(tidied(source), self.path.name)
        elif source.content is not None:
            self.source = self.gdal.held(source.content, self.path.name)

    def open_options(self) -> list[str]:
        """See ``OgrReader``."""
        return ["DATE_AS_STRING=YES"] if self._times_as_text else []

    def decoder(self, layer: OgrLayer) -> Decoder | None:
        """See ``OgrReader``."""
        return Decoder(None, "", layer.notes) if self._profile.not_utf8 else None

    def describe(self, layer: OgrLayer) -> None:
        """See ``OgrReader``."""
        layer.crs = self._profile.crs.reference(layer.crs, layer.place)
        layer.claimed = self._profile.features
        if self._times_as_text:
            layer.types_of_times = self._profile.types_of_times()
        for name in self._mixed_times:
            layer.notes.warn(
                "mixed_time_zones",
                f"The times of the column {name!r} do not agree: in their time zone, or some have no time of day. They are kept "
                "as text.",
                'Write them all in UTC if they should be times. Or set those aside that do not fit: write "on_bad_value": '
                '"set_aside" in the manifest.',
                layer.place,
            )

    def columns(self, layer: OgrLayer, columns: list[Column]) -> list[Column]:
        """The columns, with those that GDAL would get wrong as they stand in the file, and the features' own ids."""
        profile = self._profile
        profile.tell(layer.notes, layer.place, {*layer.names})

        def meet(row: int, name: str, number: int, value: int) -> None:
            problem = integer_lost(name, value, f"{layer.place}, feature {number}")
            layer.quarantine.meet("value", row, problem, name, str(value))

        again = profile.again(meet)

        def remade(column: Column, kind: pa.DataType) -> Column:
            def convert(values: pa.Array, first: int) -> pa.Array:
                return again.column(column.name, kind, first, len(values))

            return Column(column.name, kind, column.position, convert)

        types = profile.remade()
        corrected = [remade(column, types[column.name]) if column.name in types else column for column in columns]
        if (ids := profile.ids) is None:
            return corrected
        corrected = [column for column in corrected if column.name != "id" or "id" in profile.names]  # GDAL's, for some ids
        return [
            Column(name_of_ids(profile.names), ids.type, 0, lambda values, first: _joined(ids.slice(first, len(values)))),
            *corrected,
        ]

    def rows(self, layer: OgrLayer) -> Iterator[pa.RecordBatch]:
        """See ``OgrReader``. What GDAL makes of geometries that cannot be read is taken out."""
        damaged = self._profile.damaged
        numbers, first = list(damaged), 0
        for batch in layer.streamed():
            found = numbers[bisect_left(numbers, first) : bisect_left(numbers, first + batch.num_rows)]
            if not found or not layer.geometry:
                yield batch
            else:
                geometry = batch.column(batch.num_columns - 1).cast(pa.binary()).to_pylist()
                for number in found:
                    problem, corrected = damaged[number]
                    geometry[number - first] = corrected and corrected.wkb
                    if corrected:
                        layer.notes.counts["vertices_dropped"] += corrected.dropped
                    else:
                        problem.place = f"{layer.place}, {problem.place}"
                        layer.quarantine.meet("geometry", number - first, problem)
                columns = [*batch.columns[:-1], pa.array(geometry, pa.binary())]
                yield pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
            first += batch.num_rows

    def _parsed_layer(self) -> ParsedLayer | None:
        """The layer of a file that need not be read by GDAL; None if it must."""
        frame = find(self.path, self.request.driver)
        if frame is None:
            return None
        sample = frame.sample()
        features = frame.parsed(sample)
        of_sample = Reader(self.gdal, self.path, self.prefix, replace(self.request, full_scan=True), OpenFile())
        of_sample._times_as_text = checks.has_partly_read_times(sample)
        options = [*self.request.options, *of_sample.open_options()]
        try:
            with self.gdal.open_bytes(frame.document(sample), self.path.name, self.request.driver, options) as dataset:
                if dataset is None:
                    return None
                handle = self.gdal.GDALDatasetGetLayer(dataset, 0)
                name = self.prefix + self.gdal.OGR_L_GetName(handle).decode("utf-8", "replace")
                profile = GeoJSONProfile.of_features(features)
                profile.look_at(frame.members())
                if profile.page.matched is not None and profile.page.returned is None:  # then all features are to be counted
                    return None
                of_sample.dataset, of_sample._profile = dataset, profile
                layer = ParsedLayer(frame, sample, features, OgrLayer(of_sample, handle, name))
                profile.page.tell(None, self.notes, self.path.name if self.prefix else "")
                return layer
        except (SchemaInferenceFailed, Unreadable):
            return None
        finally:
            self.gdal.complaints.take()


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
