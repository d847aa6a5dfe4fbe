from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.values.times import TimeInference, parse, zone_of_flag


def surveyed(*values: str | None) -> pa.DataType:
    survey = TimeInference(pa.null())
    survey.add(pa.array(values, pa.string()))
    return survey.type


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["2024-05-01T10:00:00", None], pa.timestamp("ms")),
        (["2024/05/01 10:00:00"], pa.timestamp("ms")),
        (["2024-05-01T10:00:00.123456"], pa.timestamp("us")),
        (["2024-05-01T10:00:00.123456789"], pa.timestamp("ns")),
        (["2024-05-01T10:00:00Z", "2024-05-01T10:00:00+00:00"], pa.timestamp("ms", "UTC")),
        (["2024/05/01 10:00:00+02"], pa.timestamp("ms", "+02:00")),
        (["2024-05-01T10:00:00Z", "2024-05-01T10:00:00"], pa.string()),
        (["2024-05-01T10:00:00Z", "2024-05-01T10:00:00+02:00"], pa.string()),
        (["hello"], pa.string()),
        ([None], pa.null()),
        (["2024-05-01", None], pa.date32()),
        (["2024-05-01", "2024-05-01T10:00:00"], pa.string()),
        (["2024-04-31T10:00:00"], pa.string()),
        (["2024-05-01T10:00:60Z"], pa.string()),
    ],
)
def test_the_type_that_keeps_every_value(values: list[str | None], kind: pa.DataType) -> None:
    assert surveyed(*values) == kind


@given(
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - as they stand in files
    st.sampled_from(["", "Z", "+00:00", "+02:00", "-11:30", "+05:45"]),
)
def test_a_time_comes_out_as_it_stood(moment: datetime, zone: str) -> None:
    text = moment.isoformat() + zone
    kind = surveyed(text)
    value = parse(pa.array([text]), kind, "t", "").to_pylist()[0]
    expected = datetime.fromisoformat(text)
    assert value == expected
    assert value.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    ("text", "kind"), [("2024-05-01T10:00:00Z", pa.timestamp("ms")), ("2024-05-01T10:00:00", pa.timestamp("ms", "UTC"))]
)
def test_a_zone_too_many_or_too_few(text: str, kind: pa.DataType) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(pa.array([text]), kind, "t", "layer a")
    assert caught.value.code == "mixed_time_zones"
    assert "'t'" in caught.value.message


@pytest.mark.parametrize(("flag", "zone"), [(0, None), (1, None), (2, None), (100, "UTC"), (108, "+02:00"), (77, "-05:45")])
def test_flags_of_gdal(flag: int, zone: str | None) -> None:
    assert zone_of_flag(flag) == zone


def test_utc_is_utc() -> None:
    (value,) = parse(pa.array(["2024-05-01T10:00:00Z"]), pa.timestamp("ms", "UTC"), "t", "").to_pylist()
    assert value == datetime(2024, 5, 1, 10, tzinfo=UTC)
