import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.models.settings import Settings


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_nothing_set_is_the_embedded_default() -> None:
    settings = Settings()
    assert (settings.minio_endpoint, settings.mongo_connection_string, settings.postgres_host) == (None, None, None)
    assert settings.scratch == Path("var/scratch")
    assert settings.recipes == Path("var/recipes")


def test_the_home_is_that_of_the_nearest_folder_above_that_has_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    (below / "var" / "log").mkdir(parents=True)  # of something else
    monkeypatch.chdir(below)
    assert Settings().spatial_etl_home == Path("var")
    for home, made in ((tmp_path / "var", "ledger.sqlite"), (tmp_path / "a" / "var", "landing-zone")):
        home.mkdir()
        (home / made).mkdir()
        assert Settings().spatial_etl_home == home
    monkeypatch.setenv("SPATIAL_ETL_HOME", "named")
    assert Settings().spatial_etl_home == Path("named")
    monkeypatch.delenv("SPATIAL_ETL_HOME")
    (below / "var" / "data-lake").mkdir()
    assert Settings().spatial_etl_home == Path("var")


def test_the_home_of_another_user_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "var" / "landing-zone").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    monkeypatch.setattr("os.geteuid", lambda: 12_345)
    assert Settings().spatial_etl_home == Path("var")


def test_the_file_beside_the_home_holds_in_folders_below(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / ".env").write_text(
        "SPATIAL_ETL_LAKE=lake\nSPATIAL_ETL_LANDING=/abs/landing\nSPATIAL_ETL_RECIPES=mine\nMONGO_DATABASE=beside\n"
        "SPATIAL_ETL_MEMORY_MB=100\nSPATIAL_ETL_OPENLINEAGE=https://h/x\n"
    )
    monkeypatch.chdir(below)
    assert Settings().spatial_etl_lake is None, "no home is there: the file may be of something else"
    (tmp_path / "var" / "landing-zone").mkdir(parents=True)
    settings = Settings()
    assert (settings.lake.folder, settings.landing.folder) == (tmp_path / "lake", Path("/abs/landing"))
    assert (settings.recipes, settings.spatial_etl_openlineage) == (tmp_path / "mine", "https://h/x")
    (below / ".env").write_text("MONGO_DATABASE=here\nSPATIAL_ETL_MEMORY_MB=200\n")
    monkeypatch.setenv("SPATIAL_ETL_MEMORY_MB", "300")
    settings = Settings()
    assert (settings.mongo_database, settings.spatial_etl_memory_mb, settings.recipes) == ("here", 300, tmp_path / "mine")
    assert Settings(_env_file=None).spatial_etl_recipes is None
    monkeypatch.chdir(tmp_path)
    assert Settings().lake.folder == Path("lake"), "in its own folder, it is the file of the working folder"


def test_the_file_beside_the_home_holds_where_the_home_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "town").mkdir()
    (tmp_path / "town" / ".env").write_text("MONGO_DATABASE=beside\n")
    monkeypatch.setenv("SPATIAL_ETL_HOME", str(tmp_path / "town" / "var"))
    assert Settings().mongo_database == "beside"
    monkeypatch.setenv("SPATIAL_ETL_HOME", str(tmp_path / "town" / "data"))
    assert Settings().mongo_database == "spatial_etl"


def test_a_home_whose_stores_are_on_servers_is_found_by_the_file_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "var" / "scratch").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    assert Settings().spatial_etl_home == Path("var")
    (tmp_path / ".env").write_text("MINIO_ENDPOINT=127.0.0.1:9000\n")
    settings = Settings()
    assert (settings.spatial_etl_home, settings.minio_endpoint) == (tmp_path / "var", "127.0.0.1:9000")


def test_the_file_of_another_user_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MONGO_DATABASE=beside\n")
    if os.geteuid() == 0:
        os.chown(tmp_path / ".env", 12_345, -1)
    monkeypatch.setattr("os.geteuid", lambda: 54_321)
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    monkeypatch.setenv("SPATIAL_ETL_HOME", str(tmp_path / "var"))
    assert Settings().mongo_database == "spatial_etl"


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SPATIAL_ETL_HOME=from-file\nMINIO_LAKE_BUCKET=from-file\nUNRELATED=1\n")
    monkeypatch.setenv("SPATIAL_ETL_HOME", "from-environment")
    settings = Settings()
    assert settings.scratch == Path("from-environment/scratch")
    assert settings.minio_lake_bucket == "from-file"


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MINIO_ROOT_PASSWORD", "POSTGRES_PASSWORD", "MONGO_CONNECTION_STRING"):
        monkeypatch.setenv(name, "s3cret-value")
    assert "s3cret-value" not in repr(Settings())
    assert "s3cret-value" not in Settings().model_dump_json()


def test_the_example_file_has_every_setting_of_a_server(tmp_path: Path) -> None:
    example = (Path(__file__).parents[3] / ".env.example").read_text(encoding="utf-8")
    example = example.partition("# The stack of `make stack`")[0]
    lines = [line[1:] for line in example.splitlines() if line.startswith("#") and not line.startswith("# ")]
    assert [line.partition("=")[0] for line in lines] == [
        name.upper()
        for name in Settings.model_fields
        if name in {"spatial_etl_engine", "spatial_etl_landing", "spatial_etl_lake"} or not name.startswith("spatial_etl_")
    ]
    (tmp_path / ".env").write_text("\n".join(lines))
    assert Settings().postgres_port == 5432


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", ".hidden", "a\n", "b" * 64])
@pytest.mark.parametrize("setting", ["MINIO_LANDING_BUCKET", "MINIO_LAKE_BUCKET"])
def test_what_is_no_name_of_a_bucket_is_refused(setting: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, name)
    with pytest.raises(ValidationError, match=f"(?s){setting.lower()}.*a bucket's name is") as refused:
        Settings()
    assert refused.value.error_count() == 1


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"minio_landing_bucket": "x", "minio_lake_bucket": "x"}, ["MINIO_LANDING_BUCKET", "MINIO_LAKE_BUCKET"]),
        ({"minio_landing_bucket": "x", "minio_lake_bucket": "x", "minio_endpoint": "s3:9000"}, ["MINIO_LANDING_BUCKET"]),
        ({"minio_lake_bucket": "scratch"}, ["SPATIAL_ETL_SCRATCH", "MINIO_LAKE_BUCKET"]),
        ({"minio_landing_bucket": "scratch"}, ["SPATIAL_ETL_SCRATCH", "MINIO_LANDING_BUCKET"]),
        ({"minio_landing_bucket": "recipes"}, ["SPATIAL_ETL_RECIPES", "MINIO_LANDING_BUCKET"]),
        ({"spatial_etl_scratch": "var", "minio_lake_bucket": "runs"}, ["SPATIAL_ETL_SCRATCH", "MINIO_LAKE_BUCKET"]),
        ({"spatial_etl_scratch": "var", "minio_lake_bucket": "duckdb_lake"}, ["SPATIAL_ETL_SCRATCH", "MINIO_LAKE_BUCKET"]),
        ({"spatial_etl_scratch": "link"}, ["SPATIAL_ETL_SCRATCH", "MINIO_LAKE_BUCKET"]),
        ({"spatial_etl_scratch": "var/data-lake/x"}, ["SPATIAL_ETL_SCRATCH", "MINIO_LAKE_BUCKET"]),
        ({"spatial_etl_home": "tmp/runs/x", "spatial_etl_scratch": "tmp"}, ["SPATIAL_ETL_SCRATCH", "SPATIAL_ETL_HOME"]),
    ],
)
def test_places_of_which_one_takes_what_lies_in_another_for_its_own_are_refused(
    given: dict[str, str], named: list[str], tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("var/data-lake")
    with pytest.raises(ValidationError) as refused:
        Settings(**given)
    assert all(setting in str(refused.value) for setting in named)


@pytest.mark.parametrize(
    "given",
    [
        {"spatial_etl_scratch": "var"},
        {"spatial_etl_scratch": "."},
        {"spatial_etl_recipes": "."},
        {"minio_lake_bucket": "scratch", "minio_endpoint": "s3:9000"},
    ],
)
def test_places_that_do_each_other_no_harm(given: dict[str, str]) -> None:
    Settings(**given)


@pytest.mark.parametrize(
    ("given", "landing", "lake"),
    [
        ({}, ("landing-zone", "home/landing-zone", "SPATIAL_ETL_HOME"), ("data-lake", "home/data-lake", "SPATIAL_ETL_HOME")),
        (
            {"spatial_etl_landing": "/srv/in box", "spatial_etl_lake": " "},
            ("landing-zone", "/srv/in box", "SPATIAL_ETL_LANDING"),
            ("data-lake", "home/data-lake", "SPATIAL_ETL_HOME"),
        ),
        (
            {"minio_endpoint": "a:9000", "spatial_etl_landing": "in", "spatial_etl_lake": "s3://lake-2/"},
            ("landing-zone", "in", "SPATIAL_ETL_LANDING"),
            ("lake-2", None, "SPATIAL_ETL_LAKE"),
        ),
        (
            {"minio_endpoint": "a:9000", "minio_lake_bucket": "l"},
            ("landing-zone", None, "MINIO_LANDING_BUCKET"),
            ("l", None, "MINIO_LAKE_BUCKET"),
        ),
    ],
)
def test_where_landing_zone_and_lake_are(given: dict[str, str], landing: tuple[str, ...], lake: tuple[str, ...]) -> None:
    settings = Settings(_env_file=None, spatial_etl_home=Path("home"), **given)
    for place, expected in ((settings.landing, landing), (settings.lake, lake)):
        assert (place.bucket, place.folder and str(place.folder), place.setting) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"spatial_etl_lake": "s3://lake"}, "MINIO_ENDPOINT names no server"),
        (
            {"spatial_etl_lake": "s3://lake/folder", "minio_endpoint": "a:9000"},
            "a bucket as s3://<bucket>, without a folder in it",
        ),
        ({"spatial_etl_lake": "https://lake"}, "it is a folder, or a bucket"),
        ({"spatial_etl_lake": "s3://one", "minio_lake_bucket": "two", "minio_endpoint": "a:9000"}, "leave one of them out"),
        ({"spatial_etl_lake": "s3://landing-zone", "minio_endpoint": "a:9000"}, "give each a bucket of its own"),
        ({"spatial_etl_lake": "home/landing-zone/lake"}, "lies among the files of MINIO_LANDING_BUCKET"),
        ({"spatial_etl_lake": "x", "spatial_etl_landing": "x"}, "lies among the files of SPATIAL_ETL_"),
        ({"spatial_etl_lake": "."}, "lies among the files of SPATIAL_ETL_LAKE"),
    ],
)
def test_places_that_cannot_be_are_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings(_env_file=None, spatial_etl_home=Path("home"), **given)
