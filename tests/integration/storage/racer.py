"""One process of a race: says that it is ready, waits for the word to go, then does what it is told."""

import sys
from pathlib import Path

from libs.models.settings import Settings
from libs.platform import open_lake
from libs.storage import FolderStore, ObjectStore


def store_of(kind: str, bucket: str, place: str) -> ObjectStore:
    if kind == "folder":
        return FolderStore(Path(place) / bucket, bucket)
    return open_lake(Settings(_env_file=None, minio_lake_bucket=bucket)).store


def create(store: ObjectStore, number: str) -> None:
    """Try to create each of 50 objects; print which were ours."""
    won = [i for i in range(50) if store.create(f"dataset/v{i}/data.parquet", number.encode() * 10_000)]
    print(*won)


def give(store: ObjectStore, place: str, number: str) -> None:
    """As ``create``, with files that are given away."""
    won = []
    for i in range(50):
        source = Path(place) / f"source-{number}-{i}"
        source.write_bytes(number.encode() * 10_000)
        if store.create(f"dataset/v{i}/data.parquet", source, give=True):
            won.append(i)
        assert source.exists() == (i not in won)
    print(*won)


def large(store: ObjectStore, place: str, number: str) -> None:
    """As ``create``, with objects that go in parts where the store sends large ones so."""
    source = Path(place) / f"source-{number}"
    source.write_bytes(number.encode() * 20_000_000)
    print(*(i for i in range(5) if store.create(f"large/{i}", source)))


def put(store: ObjectStore, number: str) -> None:
    """Overwrite one object many times with content that shows whose it is."""
    for _ in range(200):
        store.put("reports/one.json", number.encode() * 100_000)


def forever(store: ObjectStore, place: str) -> None:
    """Create objects from a large file until killed."""
    source = Path(place) / "large"
    n = 0
    while True:
        store.create(f"large/{n}", source)
        n += 1


def main() -> None:
    kind, bucket, place, what, number = sys.argv[1:]
    store = store_of(kind, bucket, place)
    print("ready", flush=True)
    sys.stdin.readline()
    match what:
        case "create":
            create(store, number)
        case "give":
            give(store, place, number)
        case "large":
            large(store, place, number)
        case "put":
            put(store, number)
        case "forever":
            forever(store, place)


if __name__ == "__main__":
    main()
