"""The dashboard and the alerts ask for metrics that there are, by labels that they have."""

import json
import re
from pathlib import Path

import pytest
import yaml

from libs.ledger import Ledger, SqliteStore
from libs.ledger.tally import Tally
from libs.models import Decision, Status
from libs.models.codes import CODES
from libs.models.settings import Settings
from libs.pipeline.metrics import Metric, collect
from libs.platform import open_landing_zone

FOLDER = Path(__file__).parents[3] / "deploy" / "monitoring"
ALERTS = [rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
PANELS = json.loads((FOLDER / "grafana-dashboard.json").read_text())["panels"]
EXPRESSIONS = [rule["expr"] for rule in ALERTS] + [target["expr"] for panel in PANELS for target in panel["targets"]]
VALUES = {"status": {*Status}, "decision": {*Decision}, "code": {*CODES}}


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Metric]:
    settings = Settings(spatial_etl_home=tmp_path_factory.mktemp("home"), _env_file=None)
    store = SqliteStore(settings.spatial_etl_home / "ledger.sqlite")
    found = {f"spatial_etl_{each.name}": each for each in collect(Tally(Ledger(store)), open_landing_zone(settings), settings)}
    store.close()
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_is_told(metrics: dict[str, Metric], expression: str) -> None:
    asked = re.findall(r"(spatial_etl_\w+)(?:{(\w+)!?=\"(\w+)\"})?", expression)
    assert asked or "up{" in expression
    for name, label, value in asked:
        assert metrics[name].label == label or not label
        assert not label or value in VALUES[label]
        assert ("rate(" in expression or "increase(" in expression) == (metrics[name].kind == "counter")
    for label in re.findall(r"by \((\w+)\)", expression):
        assert {metrics[name].label for name, _, _ in asked} == {label}


def test_all_of_it_is_shown(metrics: dict[str, Metric]) -> None:
    shown = " ".join(EXPRESSIONS)
    assert {name for name in metrics if name not in shown} == {"spatial_etl_build_info", "spatial_etl_features_total"}


def test_each_alert_says_what_to_do() -> None:
    assert all(rule["annotations"].keys() == {"summary", "description"} and rule["labels"]["severity"] for rule in ALERTS)
