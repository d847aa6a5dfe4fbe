import hashlib
from pathlib import Path

import pytest

from libs.storage import DataLake, FolderStore, ObjectMissing
from libs.storage.lake import Hashed


@pytest.fixture
def lake(tmp_path: Path) -> DataLake:
    return DataLake(FolderStore(tmp_path / "home" / "data-lake", "data-lake"))


def test_a_version_is_placed_once(lake: DataLake, tmp_path: Path) -> None:
    assert lake.prefix("alpha.roads", 3) == "alpha.roads/v3/"
    key = "alpha.roads/v3/data.parquet"
    assert lake.prefix_of(key) == "alpha.roads/v3/"
    assert lake.prefix_of("alpha.roads/v3/") is lake.prefix_of("alpha.roads/notes.txt") is lake.prefix_of("_x") is None
    assert lake.uri(key) == "s3://data-lake/alpha.roads/v3/data.parquet"
    made = tmp_path / "made"
    made.write_bytes(b"PAR1")
    assert lake.place(key, made)
    assert not made.exists()
    made.write_bytes(b"other")
    assert not lake.place(key, made)
    assert lake.hash(key) == Hashed(hashlib.sha256(b"PAR1").hexdigest(), 4, b"PAR1")
    assert lake.end(key, 2) == b"R1"
    assert [info.key for info in lake.objects("alpha.roads/")] == [key]
    lake.remove(key)
    lake.remove(key)
    assert list(lake.objects()) == []
    with pytest.raises(ObjectMissing):
        lake.hash(key)
