"""Eight processes at once: each version is one worker's, and every batch is done once."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from libs.models.settings import Settings
from libs.platform import open_landing_zone
from tests.e2e.crash_platforms import on_servers

pytestmark = pytest.mark.integration

PROCESSES = 8


def at_once(cli: Any, *commands: list[str | Path]) -> list[Any]:
    """Start all commands, then wait for them; what each printed."""
    command = Path(sys.executable).with_name("spatial-etl")
    running = [
        subprocess.Popen(
            [command, *arguments, "--json"], env=cli.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for arguments in commands
    ]
    finished = [(process, *process.communicate(timeout=300)) for process in running]
    assert [(process.returncode, errors) for process, _, errors in finished if process.returncode] == []
    return [json.loads(output) for _, output, _ in finished]


def points(path: Path, number: int) -> Path:
    """A file of so many points."""
    path.parent.mkdir(parents=True, exist_ok=True)
    feature = {"type": "Feature", "properties": {"of": number}, "geometry": {"type": "Point", "coordinates": [9, 53]}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature] * number}))
    return path


def test_one_dataset_written_by_all(cli: Any, tmp_path: Path) -> None:
    commands: list[list[str | Path]] = [
        ["ingest", points(tmp_path / f"{number}.geojson", number), "--dataset-id", "shared", "--batch-id", f"batch-{number}"]
        for number in range(1, PROCESSES + 1)
    ]
    reports = at_once(cli, *commands)

    made = {report["batch_id"]: dataset for report in reports for dataset in report["datasets"]}
    assert {batch: dataset["features"] for batch, dataset in made.items()} == {f"batch-{n}": n for n in range(1, PROCESSES + 1)}
    assert sorted(dataset["version"] for dataset in made.values()) == list(range(1, PROCESSES + 1))
    verified = cli("verify", "--json").json
    assert {item["finding"] for item in verified} == {"intact"}
    assert sorted(item["version"] for item in verified) == list(range(1, PROCESSES + 1))


def test_one_landing_zone_drained_by_all(cli: Any) -> None:
    landing = cli.home / "landing-zone"
    (landing / "manifests").mkdir(parents=True)
    batches = [f"batch-{number}" for number in range(2 * PROCESSES)]
    for number, batch_id in enumerate(batches):
        points(landing / batch_id / "points.geojson", number + 1)
        manifest = {
            "batch_id": batch_id,
            "uploader": "tester",
            "intent": "ingest_vector",
            "files": [
                {
                    "path": f"s3://landing-zone/{batch_id}/points.geojson",
                    "type": "vector",
                    "format": "GeoJSON",
                    "dataset_id": "shared",
                }
            ],
        }
        (landing / "manifests" / f"{batch_id}.json").write_text(json.dumps(manifest))

    at_once(cli, *[["process"]] * PROCESSES)

    assert [path.name for path in (landing / "manifests").iterdir()] == []
    assert {path.name for path in (landing / "archive").iterdir()} == set(batches)
    reports = [json.loads(path.read_text()) for path in (landing / "reports").glob("*.json")]
    assert {report["run_id"] for report in reports} == {f"{batch_id}#1" for batch_id in batches}
    assert sorted(dataset["features"] for report in reports for dataset in report["datasets"]) == list(range(1, len(batches) + 1))
    assert {item["finding"] for item in cli("verify", "--json").json} == {"intact"}
    assert len(list((cli.home / "data-lake").glob("shared/v*/data.parquet"))) == len(batches)


@pytest.fixture(params=["embedded", "servers"])
def everywhere(request: pytest.FixtureRequest, cli: Any, tmp_path: Path) -> Iterator[Any]:
    """The command, on the embedded default and on real services."""
    if request.param == "embedded":
        yield cli
        return
    services = [request.getfixturevalue(name) for name in ("minio", "mongodb", "postgis")]
    reached = {name: value for service in services for name, value in service.environment.items()}
    with on_servers(reached, tmp_path / "home") as own:
        cli.environment |= own
        yield cli


def test_what_all_append_to_two_datasets_is_there_once(everywhere: Any) -> None:
    """Half of the batches name the datasets the other way round: nobody may wait for somebody who waits for him."""
    places = {name.lower(): value for name, value in everywhere.environment.items() if name.lower() in Settings.model_fields}
    landing = open_landing_zone(Settings(_env_file=None, **places))
    everywhere("process")  # makes lake and ledger a pair, by one alone
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [9, 53]}}
    for number in range(PROCESSES):
        files = []
        for dataset, count in (("ones", 1), ("twos", 2))[:: 1 if number % 2 else -1]:
            features = [feature | {"properties": {"of": number, "n": n}} for n in range(count)]
            key = f"batch-{number}/{dataset}.geojson"
            landing.store.put(key, json.dumps({"type": "FeatureCollection", "features": features}).encode())
            files.append({"path": landing.store.uri(key), "type": "vector", "format": "GeoJSON", "dataset_id": dataset})
        manifest = {
            "batch_id": f"batch-{number}", "uploader": "tester", "intent": "ingest_vector", "mode": "append", "key": ["of", "n"],
            "files": files,
        }  # fmt: skip
        landing.submit(json.dumps(manifest).encode(), f"batch-{number}")

    reports = [report for reports in at_once(everywhere, *[["process"]] * PROCESSES) for report in reports]

    assert sorted((report["batch_id"], report["status"]) for report in reports) == [(f"batch-{n}", "success") for n in range(8)]
    grown = [dataset for report in reports for dataset in report["datasets"]]
    for name, count in (("ones", 1), ("twos", 2)):
        versions = sorted((each for each in grown if each["dataset_id"] == name), key=lambda each: each["version"])
        assert [each["features"] for each in versions] == [count * (n + 1) for n in range(PROCESSES)]
        assert [each["growth"]["base"] for each in versions] == [None, *(each["version"] for each in versions[:-1])]
    assert {item["finding"] for item in everywhere("verify", "--json").json} == {"intact"}
