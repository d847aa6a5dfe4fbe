"""Opening an untrusted file: the side that stays in the pipeline's process and trusts nothing that it gets."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from libs.column_names import PROBLEM, RAW
from libs.disk import is_full
from libs.models import ColumnNotes, FileSpec, FileType, Problem, Rejected, ServiceUnavailable
from libs.spatial_utils.archive import ArchiveLimits
from libs.spatial_utils.formats import Format, find_format
from libs.spatial_utils.reading import mapinfo, sidecars
from libs.spatial_utils.reading.launcher import LAUNCHER, Child, ServerLost, TimeLimitExceeded
from libs.spatial_utils.reading.layers import Layer, agreed_layers
from libs.spatial_utils.reading.locate import Located, locate
from libs.spatial_utils.reading.messages import ReadLimits, died, problem_of, receive, receive_header, too_many_rows, too_slow

if TYPE_CHECKING:
    import pyarrow as pa


_COLUMN_NOTES = b"spatial_etl:notes"
"""Key of a field's metadata under which the reading process says what it knows of a column."""
_MAX_NAMED = 16 * 1024
"""Bytes of names in a request, whose size is limited. Keys have short names, which come first."""
_MAX_NAME_BYTES = 255
_LARGE = 8 * 1024 * 1024
"""Below this GDAL reads features as fast as a sample of them shows that it need not."""

_NOT_READ = frozenset({"entities_not_read", "elements_not_read"})
"""Codes of warnings about a file's content that is passed over."""


class SchemaInferenceFailed(Exception):  # noqa: N818 - a verdict on what was said of the file
    """What was said of a layer after a look at some rows does not hold for all: the file must be opened as ``full_scan``."""


@dataclass
class LayerStream:
    """The rows of a layer, once, in file order.

    Attributes:
        layer: Which one.
        schema: Of the batches: attribute columns, then ``geom`` (WKB, little-endian, ISO).
        counts: What reading changed, by stable name (``linearized``, ``m_dropped``); complete when the stream has ended.
        features: Rows read so far, with those that were set aside.
        set_aside: Takes the rows that a policy sets aside, with their numbers in the layer, from 0. Their columns are those of
            the schema, what is wrong (JSON), and the values as they stand in the file (JSON).
    """

    layer: Layer
    _source: "SourceFile"
    _reader: "pa.RecordBatchReader"
    counts: Counter[str] = field(default_factory=Counter)
    features: int = 0
    set_aside: "Callable[[pa.RecordBatch, pa.Array], None] | None" = None

    @property
    def schema(self) -> "pa.Schema":  # noqa: D102 - see the class
        schema = self._reader.schema
        return schema.remove(len(schema) - 1).remove(len(schema) - 2) if self._may_set_aside else schema

    @property
    def _may_set_aside(self) -> bool:
        return bool(self._reader.schema.names[-2:] == [PROBLEM, RAW])

    def _good(self, batch: "pa.RecordBatch") -> "pa.RecordBatch":
        """The rows of a batch that are not set aside; the others are handed over."""
        if not self._may_set_aside:
            return batch
        import pyarrow.compute as pc

        bad = pc.indices_nonzero(pc.is_valid(batch.column(batch.num_columns - 2)))
        if len(bad) and self.set_aside is not None:
            self.set_aside(batch.take(bad), pc.add(bad.cast("int64"), self.features))
        rest = batch.filter(pc.is_null(batch.column(batch.num_columns - 2))) if len(bad) else batch
        return rest.select([*range(batch.num_columns - 2)])  # by position: a name may stand twice

    @property
    def notes(self) -> list[ColumnNotes | None]:
        """What the file says of the columns of the schema besides their names and types; nothing, where it makes no sense."""
        return [self._source._notes(self.layer, field) for field in self.schema]  # noqa: SLF001 - two halves of one thing

    def __iter__(self) -> Iterator["pa.RecordBatch"]:
        """The batches.

        Raises:
            Rejected: when the rest of the layer cannot be read; nothing read so far may be used then.
            SchemaInferenceFailed: likewise, and it can be read.
        """
        return self._source._batches(self)  # noqa: SLF001 - two halves of one thing


@dataclass
class SourceFile:
    """An opened file.

    Attributes:
        layers: Its layers, or the one that the manifest asks for.
        warnings: What the uploader should know; grows while layers are read.
        inferred: Whether types were inferred from some rows: reading may raise ``SchemaInferenceFailed``, and what a recipe
            refuses may be the inference. False once the file has been found unreadable, which it is whatever its types.
    """

    layers: tuple[Layer, ...]
    warnings: list[Problem]
    inferred: bool
    _child: Child
    _where: str
    _limits: ReadLimits
    _size: int
    _received: int = 0
    _read: int = 0
    _features: int = 0

    def streams(self) -> Iterator[LayerStream]:
        """The layers' rows, layer by layer; what is left of one is passed over when the next is asked for."""
        import pyarrow as pa

        for index, layer in enumerate(self.layers):
            with self._speaking():
                reader = pa.ipc.open_stream(pa.PythonFile(self._child.pipe, "r"))
            stream = LayerStream(layer, self, reader)
            yield stream
            while self._read <= index:
                for _ in stream:
                    pass
        if not self._features:
            self._note_emptiness()

    def _note_emptiness(self) -> None:
        """Warn of a file without features; refuse one that holds something which is not read.

        Raises:
            Rejected: ``no_features``.
        """
        unread = [warning.message for warning in self.warnings if warning.code in _NOT_READ]
        if unread:
            raise Rejected.because(
                "no_features", self._where, f"Nothing of the file can be read as features. {' '.join(unread)}",
                "Export the data as features (points, lines or polygons), and submit that file.",
            )  # fmt: skip
        self.warnings.append(
            Problem(code="no_features", where=self._where, message="The file holds no features: its datasets are empty.",
                    remedy="Check that it is the right file.")
        )  # fmt: skip

    def _notes(self, layer: Layer, column: "pa.Field") -> ColumnNotes | None:
        told = (column.metadata or {}).get(_COLUMN_NOTES)
        try:
            return ColumnNotes.model_validate_json(told) if told is not None else None
        except ValueError:
            warning = _column_notes_ignored(f"{self._where}: layer {layer.name}")
            self.warnings += [warning] if warning not in self.warnings else []
            return None

    def _batches(self, stream: LayerStream) -> Iterator["pa.RecordBatch"]:
        try:
            yield from self._sent(stream)
        except Rejected:
            self.inferred = False
            raise

    def _sent(self, stream: LayerStream) -> Iterator["pa.RecordBatch"]:
        most, _ = self._limits.rows(self._size)
        with self._speaking():
            for batch in stream._reader:  # noqa: SLF001 - two halves of one thing
                batch.validate(full=True)
                self._received += batch.nbytes
                if self._received > most:
                    raise too_many_rows(self._where, self._limits, self._size)
                good = stream._good(batch)  # noqa: SLF001 - two halves of one thing
                stream.features += batch.num_rows
                self._features += batch.num_rows
                if good.num_rows:
                    yield good
            trailer = receive(self._child)
        self._read += 1
        stream.counts.update(trailer["counts"])
        self.warnings += [problem_of(warning, self._where) for warning in trailer["warnings"]]
        if trailer["misjudged"]:
            raise SchemaInferenceFailed
        if trailer["problem"] is not None:
            raise Rejected([problem_of(trailer["problem"], self._where)])

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Whatever goes wrong between the worker and us, as a problem of the file."""
        import pyarrow as pa

        try:
            yield
        except TimeLimitExceeded as error:
            raise too_slow(self._where, self._limits) from error
        except (pa.ArrowException, OSError, EOFError, ValueError) as error:
            if is_full(error):  # what is set aside is written meanwhile
                raise
            raise died(self._child, self._where, self._limits) from error


def warm_up() -> None:
    """Start the process that reading processes are forked from; returns at once. Optional: saves the first file the wait."""
    LAUNCHER.warm_up()


def sandbox_features() -> dict[str, Any]:
    """What confines reading processes on this machine, and which GDAL reads.

    Returns:
        ``landlock``: its version, 0 for none; ``seccomp``: whether system calls are filtered, sockets among them;
        ``no_network``: whether they live in a network namespace without a route; ``gdal``: its release.
    """
    return LAUNCHER.features()


@contextmanager
def open_source(
    path: Path,
    spec: FileSpec,
    where: str,
    limits: ReadLimits,
    *,
    full_scan: bool = True,
    named: Collection[str] = (),
    appended: bool = False,
) -> Iterator[SourceFile]:
    """Open a file in a process of its own.

    Args:
        path: The file in a scratch folder, with what belongs to it beside it under its own names; the folder of a FileGDB. The
            reading process sees this folder and nothing else. Archives are unpacked beside it. Files are written to only if a
            database's log lies beside them.
        spec: What the manifest says of it.
        where: Its place, for problems: ``files[0]``.
        limits: What reading may take.
        full_scan: Look at every row before saying of what types the columns are, where the file does not say so itself (GeoJSON
            does not; GeoPackage and FlatGeobuf not of times); else at some, which saves a second reading of large files.
        named: Columns that are wanted: a hidden key of one of these names becomes a column.
        appended: Whether the rows are appended to others, whose columns are all named: then no other key does.

    Raises:
        Rejected: when the file is not what the manifest says, cannot be read, or has no CRS that is known and agreed.
    """
    kind, tabular = find_format(spec.format, f"{where}.format"), spec.type is FileType.TABULAR
    if kind.name == "ESRI Shapefile" and tabular:
        kind = find_format("dBASE", where)  # the table alone
    unpacked = beside(path, f".unpacked{kind.extensions[0] if kind.folder else ''}")
    neutral = beside(path, ".neutral")
    try:
        limit = ArchiveLimits(limits.unpacked_mb * 1024 * 1024, ratio=limits.expansion)
        located = locate(path, unpacked, kind, where, limit, tabular=tabular, complete=spec.missing_sidecars == "allow")
        if spec.missing_sidecars == "allow" and kind.replaceable:
            located = sidecars.completed(located, kind.replaceable, neutral / "completed", where)
        warnings = [*located.warnings]
        if spec.encoding is not None and kind.driver == mapinfo.DRIVER:
            located = mapinfo.without_charset(located, neutral / "charset", where)
        if spec.encoding is not None and kind.encoding is not None and not _is_utf8(spec.encoding, kind):
            warnings.append(_encoding_ignored(kind, where))
        if idle := spec.options.given - kind.takes:
            warnings.append(_options_ignored(sorted(idle), kind, where))
        if spec.geometry is not None and not (kind.picks_geometry or "wkt" in kind.takes):
            warnings.append(_geometry_ignored(kind, where))
        if spec.categorical:
            warnings.append(_categorical_ignored(where))
        if spec.keep_key and not kind.has_keys:
            warnings.append(_keep_key_ignored(kind, where))
        request = _request(located, kind, spec, limits, full_scan=full_scan)
        request |= {"named": _named(named) if kind.has_keys else [], "appended": appended}
        child = child_of(request, limits)
        try:
            yield _opened(child, spec, where, limits, warnings, _size(located))
        finally:
            child.close()
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
        shutil.rmtree(neutral, ignore_errors=True)


def beside(path: Path, suffix: str) -> Path:
    """A name of our own beside a file's, which may be as long as a file system allows."""
    stem = os.fsencode(path.name)[: _MAX_NAME_BYTES - len(suffix)].decode(errors="ignore")
    return path.with_name(stem + suffix)


def _opened(child: Child, spec: FileSpec, where: str, limits: ReadLimits, warnings: list[Problem], size: int) -> SourceFile:
    header = receive_header(child, where, limits, warnings)
    return SourceFile(agreed_layers(header, spec, where, warnings), warnings, header["inferred"], child, where, limits, size)


def child_of(request: dict[str, Any], limits: ReadLimits) -> Child:
    """A reading process at work on a request.

    Raises:
        ServiceUnavailable: when none can be started.
    """
    try:
        return LAUNCHER.child(request, limits.seconds)
    except ServerLost as error:
        raise ServiceUnavailable(
            "The reading process", f"it cannot be started: {error}.", "the installation: pyogrio and pyarrow"
        ) from error


def _is_utf8(encoding: str, kind: Format) -> bool:
    return kind.encoding == "UTF-8" and encoding.casefold().replace("_", "-") in {"utf-8", "utf8", "utf-8-sig"}


def _encoding_ignored(kind: Format, where: str) -> Problem:
    said = "is always UTF-8" if kind.encoding == "UTF-8" else "is encoded as the file itself says in its first line"
    return Problem(
        code="encoding_ignored",
        where=f"{where}.encoding",
        message=f"'encoding' was not used: text in the format {kind.name} {said}.",
        remedy="Leave 'encoding' out, and check that the text came out right.",
    )


def _options_ignored(idle: list[str], kind: Format, where: str) -> Problem:
    return Problem(
        code="options_ignored",
        where=f"{where}.options",
        message=f"'options' were not used that files of the format {kind.name} do not have: {', '.join(idle)}.",
        remedy="Leave them out, or correct the format.",
    )


def _categorical_ignored(where: str) -> Problem:
    message = "'categorical' was not used: only a raster has overviews."
    return Problem(code="options_ignored", where=f"{where}.categorical", message=message, remedy="Leave it out.")


def _geometry_ignored(kind: Format, where: str) -> Problem:
    return Problem(
        code="geometry_ignored",
        where=f"{where}.geometry",
        message=f"'geometry' was not used: in files of the format {kind.name} one geometry is all that a feature has.",
        remedy="Leave it out.",
    )


def _column_notes_ignored(where: str) -> Problem:
    return Problem(
        code="column_notes_ignored",
        where=where,
        message="What the file's metadata say of its columns (titles, domains) is not of the form that is known here.",
        remedy="Leave the key 'spatial_etl:columns' out of the file, or write it as lake files have it.",
    )


def _keep_key_ignored(kind: Format, where: str) -> Problem:
    return Problem(
        code="no_key",
        where=f"{where}.keep_key",
        message=f"'keep_key' was not used: files of the format {kind.name} have no keys but their columns.",
        remedy="Leave it out.",
    )


def _named(columns: Collection[str]) -> list[str]:
    """Names in lower case, as many as a request has room for."""
    names = sorted({name.casefold() for name in columns}, key=lambda name: (len(name), name))
    sizes = accumulate(len(json.dumps(name)) + 2 for name in names)
    return [name for name, size in zip(names, sizes, strict=True) if size <= _MAX_NAMED]


def _request(located: Located, kind: Format, spec: FileSpec, limits: ReadLimits, *, full_scan: bool) -> dict[str, Any]:
    tabular = spec.type is FileType.TABULAR
    logs = {path.name + suffix for path, _ in located.sources for suffix in kind.logs}
    has_log = any(file.name in logs for path, _ in located.sources for file in path.parent.iterdir()) if logs else False
    return {
        "sources": [(str(path), prefix) for path, prefix in located.sources],
        "folder": str(located.folder),
        "reader": kind.reader,
        "may_infer": kind.infers and not (full_scan or tabular) and _is_large(located),
        "driver": kind.driver,
        "register": kind.register,
        "options": list(kind.options),
        "layer": spec.layer,
        "encoding": spec.encoding,
        "tabular": tabular,
        "geometry": spec.geometry if kind.picks_geometry else None,
        "csv": spec.options.model_dump() | {"wkt": spec.geometry or spec.options.wkt},
        "memory_mb": limits.memory_mb,
        "cpu_seconds": limits.seconds,
        "keep_key": spec.keep_key,
        "policies": {name: getattr(spec, name) for name in ("on_bad_value", "on_bad_geometry", "on_bad_text")},
        "full_scan": full_scan,
        # A database with a log beside it is completed from the log, in the copy that is ours.
        "written_bytes": limits.unpacked_mb * 1024 * 1024 if has_log else 0,
    }


def _size(located: Located) -> int:
    """Bytes of everything that the reading process sees."""
    return sum(path.stat().st_size for path in located.folder.rglob("*") if path.is_file())


def _is_large(located: Located) -> bool:
    """Whether features are many enough to be parsed by a sample of them."""
    return sum(path.stat().st_size for path, _ in located.sources) >= _LARGE
