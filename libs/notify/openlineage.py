"""OpenLineage: two events for each decided run, START and what it came to, made of the ledger's records.

The events of one run are written when it is decided, with the times that the ledger has for both: there is no second record that
could say otherwise. Names follow OpenLineage's rules: ``s3://<bucket>`` and the key, or ``file`` and the path.
"""

import json
import os
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from libs.models import Asset, Decision, Event, Lineage, Outcome, Run, lake_key
from libs.notify.channel import Message, NotSent, shown
from libs.notify.http import Endpoint

_SPEC = "https://openlineage.io/spec"
"""A name, and no place that is asked."""
_TYPES = {Decision.SUCCESS: "COMPLETE", Decision.FAILURE: "FAIL", Decision.REJECTED: "FAIL", Decision.CANCELED: "ABORT"}
_ENGINES = ("postgis", "duckdb")
_REASONS = 10
"""Problems, at most, that an error message has."""

KEEPING = frozenset(
    {
        "buffer", "cast", "centroid", "clip", "clip_by", "deduplicate", "erase", "explode", "filter", "force_2d", "hull",
        "rename", "repair", "reproject", "select", "set_precision", "simplify",
    }
)  # fmt: skip
"""Steps after which each column still comes from one column of the source. After others, the columns' lineage is not told."""


@dataclass(frozen=True)
class Bucket:
    """Where a bucket is, in OpenLineage's words.

    Attributes:
        name: As in ``s3://<name>/...`` of records.
        namespace: ``s3://<bucket>``, or ``file``.
        folder: What comes before a key: empty, or the path of the folder.
    """

    name: str
    namespace: str
    folder: str = ""

    def named(self, uri: str) -> dict[str, str]:
        """Namespace and name of an object, by its URI in records."""
        return {"namespace": self.namespace, "name": self.folder + uri.removeprefix(f"s3://{self.name}/")}


class Sink(Protocol):
    """Where events go."""

    def put(self, name: str, event: bytes) -> None:
        """Hand over an event. Doing it again under the same name changes nothing."""
        ...

    def check(self) -> str:
        """See :class:`~libs.notify.Channel`."""
        ...


class EventFolder:
    """A folder that gets a file of JSON for each event, whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, event: bytes) -> None:
        """See :class:`Sink`."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".", delete=False) as file:
                try:
                    file.write(event)
                    file.flush()
                    os.fsync(file.fileno())
                    Path(file.name).chmod(0o644)
                    Path(file.name).replace(self._folder / f"{name}.json")
                except BaseException:
                    with suppress(OSError):
                        Path(file.name).unlink()
                    raise
        except OSError as error:
            raise NotSent(f"{self._folder}: {error.strerror}.", down=True) from error

    def check(self) -> str:
        """See :class:`Sink`."""
        place = self._folder
        while not place.exists():
            place = place.parent
        if not os.access(place, os.W_OK | os.X_OK):
            raise NotSent(f"{place} cannot be written to.", down=True)
        return f"{self._folder} can be written to"


class EventEndpoint:
    """A server that takes OpenLineage by POST, such as Marquez."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def put(self, name: str, event: bytes) -> None:
        """See :class:`Sink`."""
        self._endpoint.post(event, {"Idempotency-Key": name})

    def check(self) -> str:
        """See :class:`Sink`."""
        return self._endpoint.check()


class OpenLineage:
    """Tells of each run, of those without success that are tried again, too; not of manifests that never became one.

    Args:
        sink: Where to.
        namespace: Of the jobs.
        landing: The landing zone.
        lake: The lake.
    """

    name, setting, of_runs = "openlineage", "SPATIAL_ETL_OPENLINEAGE", True
    events = frozenset(Event)

    def __init__(self, sink: Sink, namespace: str, landing: Bucket, lake: Bucket) -> None:
        self._sink, self._namespace, self._landing, self._lake = sink, namespace, landing, lake

    def send(self, message: Message) -> str:
        """See :class:`~libs.notify.Channel`."""
        if message.run is None or message.outcome is None:
            return "It is about no run."
        for event in self.made(message, message.run, message.outcome):
            name = f"{event['run']['runId']}-{event['eventType']}"
            self._sink.put(name, json.dumps(event, ensure_ascii=False, indent=1).encode() + b"\n")
        return ""

    def check(self) -> str:
        """See :class:`~libs.notify.Channel`."""
        return self._sink.check()

    def made(self, message: Message, run: Run, outcome: Outcome) -> list[dict[str, Any]]:
        """The events of a run, in their order."""
        content = message.receipt.content if message.receipt and isinstance(message.receipt.content, dict) else {}
        producer = f"urn:spatial-etl:{run.software.get('spatial-etl', 'unknown')}"
        facets = _Facets(producer)
        failed = outcome.decision is not Decision.SUCCESS
        engine = next(
            (lineage.engine for lineage in outcome.lineage), next((each for each in _ENGINES if each in run.software), "")
        )
        run_facets = {"processing_engine": facets.engine(engine, run.software)} if engine in run.software else {}
        delivered = [self._landing.named(path) for path in _paths(content)]

        def event(kind: str, at: datetime, own: Mapping[str, Any], inputs: list[Any], outputs: list[Any]) -> dict[str, Any]:
            return {
                "eventType": kind,
                "eventTime": at.isoformat(),
                "run": {"runId": _uuid(message.notification.notice_id), "facets": {**run_facets, **own}},
                "job": {
                    "namespace": self._namespace,
                    "name": _job(outcome, content),
                    "facets": {"jobType": facets.job_type()},
                },
                "inputs": inputs,
                "outputs": outputs,
                "producer": producer,
                "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
            }

        error = {"errorMessage": facets.error(outcome)} if failed else {}
        inputs = delivered if failed else self._inputs(facets, outcome.lineage)
        made = {each.id: each for each in outcome.lineage}
        outputs = [self._output(facets, asset, made.get(asset.id)) for asset in outcome.assets]
        return [
            event("START", run.started_at, {}, delivered, []),
            event(_TYPES[outcome.decision], outcome.decided_at, error, inputs, outputs),
        ]

    def _inputs(self, facets: "_Facets", lineage: Iterable[Lineage]) -> list[dict[str, Any]]:
        """Each file once, however many of its layers went into datasets; and the versions that others grew out of."""
        lineage = list(lineage)
        found: dict[str, dict[str, Any]] = {}
        for layer in (layer for each in lineage for layer in each.inputs):
            if lake_key(layer.path) is not None:
                continue  # a version, see below
            named = self._landing.named(layer.path)
            main = next(
                (each for each in layer.objects if layer.path.endswith(each.key)), layer.objects[0] if layer.objects else None
            )
            own = {"dataSource": facets.source(named["namespace"])}
            if main is not None:
                own["version"] = facets.version(main.sha256)
            found[layer.path] = {**named, "facets": own}
        for version in {version.id: version for each in lineage for version in each.datasets}.values():
            named = self._lake.named(f"s3://{self._lake.name}/{version.dataset_id}")
            own = {"dataSource": facets.source(named["namespace"]), "version": facets.version(str(version.version))}
            found[version.id] = {**named, "facets": own}
        return list(found.values())

    def _output(self, facets: "_Facets", asset: Asset, lineage: Lineage | None) -> dict[str, Any]:
        named = self._named(asset)
        own = {
            "dataSource": facets.source(named["namespace"]),
            "version": facets.version(str(asset.version)),
            "schema": facets.schema(asset),
        }
        if lineage is not None and (columns := self._columns(asset, lineage)):
            own["columnLineage"] = facets.column_lineage(columns)
        statistics = facets.statistics(asset)
        return {**named, "facets": own, "outputFacets": {"outputStatistics": statistics}}

    def _named(self, asset: Asset) -> dict[str, str]:
        return self._lake.named(f"s3://{self._lake.name}/{asset.dataset_id}")

    def _columns(self, asset: Asset, lineage: Lineage) -> dict[str, Any]:
        """Of each column, the columns that it comes from; nothing where a step has made columns of others."""
        steps = [step for step in lineage.recipe.get("steps", ()) if isinstance(step, dict)]
        if not all(step.get("op") in KEEPING for step in steps):
            return {}
        cast = {name for step in steps if step.get("op") == "cast" for name in step.get("columns", ())}
        source = {new: old for old, new in asset.changes.renamed.items()}
        files = {
            layer.path: self._landing.named(layer.path)
            if key is None
            else self._lake.named(f"s3://{self._lake.name}/{key.split('/')[0]}")
            for layer in lineage.inputs
            if layer.name is None  # of a named input, these steps keep no column
            for key in [lake_key(layer.path)]
        }
        return {
            column.name: {
                "inputFields": [
                    {**named, "field": origin, "transformations": [{"type": "DIRECT", "subtype": how}]}
                    for named in files.values()
                ]
            }
            for column in asset.table_schema
            if column.name not in {"geom", "bbox"}
            for origin in [source.get(column.name, column.name)]
            for how in ["TRANSFORMATION" if {origin, column.name} & cast else "IDENTITY"]
        }


class _Facets:
    """Facets by OpenLineage's schemas; the numbers in their addresses are the versions that they are written by."""

    def __init__(self, producer: str) -> None:
        self._producer = producer

    def _facet(self, version: str, kind: str, /, **fields: Any) -> dict[str, Any]:
        return {"_producer": self._producer, "_schemaURL": f"{_SPEC}/facets/{version}/{kind}.json#/$defs/{kind}", **fields}

    def engine(self, name: str, software: Mapping[str, str]) -> dict[str, Any]:
        own = software.get("spatial-etl", "unknown")
        return self._facet("1-1-1", "ProcessingEngineRunFacet", version=software[name], name=name, openlineageAdapterVersion=own)

    def error(self, outcome: Outcome) -> dict[str, Any]:
        said = [f"{problem.where} [{problem.code}]: {problem.message}" for problem in outcome.problems[:_REASONS]]
        return self._facet("1-0-1", "ErrorMessageRunFacet", message="\n".join(map(shown, said)), programmingLanguage="python")

    def job_type(self) -> dict[str, Any]:
        return self._facet("2-0-4", "JobTypeJobFacet", processingType="BATCH", integration="SPATIAL_ETL", jobType="JOB")

    def source(self, namespace: str) -> dict[str, Any]:
        uri = namespace if "://" in namespace else f"{namespace}:///"
        return self._facet("1-0-1", "DatasourceDatasetFacet", name=namespace, uri=uri)

    def version(self, version: str) -> dict[str, Any]:
        return self._facet("1-0-1", "DatasetVersionDatasetFacet", datasetVersion=version)

    def schema(self, asset: Asset) -> dict[str, Any]:
        fields = [
            {"name": column.name, "type": column.type}
            | ({"description": asset.meanings[column.name]} if column.name in asset.meanings else {})
            for column in asset.table_schema
        ]
        return self._facet("1-2-0", "SchemaDatasetFacet", fields=fields)

    def column_lineage(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        return self._facet("1-2-0", "ColumnLineageDatasetFacet", fields=columns)

    def statistics(self, asset: Asset) -> dict[str, Any]:
        size = sum(file.bytes for file in asset.files)
        rows = {} if asset.features is None else {"rowCount": asset.features}
        return self._facet("1-0-2", "OutputStatisticsOutputDatasetFacet", **rows, size=size, fileCount=len(asset.files))


def _uuid(notice_id: str) -> str:
    """The run's: the notice's id is the same in all tries, and of no other run."""
    return str(uuid.UUID(notice_id))


def _job(outcome: Outcome, content: Mapping[str, Any]) -> str:
    """What is done again and again: an intent, for a project."""
    metadata = content.get("metadata")
    project = metadata.get("project") if isinstance(metadata, dict) else None
    parts = [project if isinstance(project, str) else None, outcome.intent or "unknown"]
    return ".".join(shown(part) for part in parts if part)


def _paths(content: Mapping[str, Any]) -> list[str]:
    """What the manifest says that it delivers."""
    files = content.get("files")
    entries = files if isinstance(files, list) else []
    return list(dict.fromkeys(each["path"] for each in entries if isinstance(each, dict) and isinstance(each.get("path"), str)))
