"""What every test shares: the real services, and an honest account of what was left out."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from services.local import Service
from tests.buckets import Buckets
from tests.sampling import FULL, SEED
from tests.services import VERSIONS, GivenService, service

# How long an example takes says something about the machine and its other tenants, nothing about the code.
settings.register_profile("ci", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("full", settings.get_profile("ci"), max_examples=1000)
settings.load_profile("full" if FULL else "ci")

CORPUS_NOT_SET = "SPATIAL_ETL_CORPUS is not set"
"""How a test that needs the corpus of real files must begin the reason of its skip."""


@pytest.fixture(scope="session")
def minio() -> Iterator[Service | GivenService]:
    """A MinIO, reached as its administrator. Tests use buckets of their own."""
    with service("minio") as running:
        yield running


@pytest.fixture
def buckets(minio: Service | GivenService) -> Iterator[Buckets]:
    """Makes buckets of the test's own on ``minio``."""
    made = Buckets(minio.environment)
    yield made
    made.clear()


@pytest.fixture(scope="session")
def mongodb() -> Iterator[Service | GivenService]:
    """A server of the MongoDB protocol, reached as its administrator. Tests use databases of their own."""
    with service("mongodb") as running:
        yield running


@pytest.fixture(scope="session")
def postgis() -> Iterator[Service | GivenService]:
    """A PostGIS, reached as its administrator. Tests use schemas or databases of their own."""
    with service("postgis") as running:
        yield running


@pytest.hookimpl(tryfirst=True)  # before Hypothesis looks for its seed
def pytest_configure(config: pytest.Config) -> None:
    """Make the surroundings the same for all tests: the seed, no width of a terminal, and Ctrl-C reaches what they start."""
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(SEED)
    os.environ.pop("COLUMNS", None)  # a runner of tests side by side sets it: output would be wrapped at its terminal's width
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over from a process that ran some of the tests side by side which services they ran on."""
    VERSIONS.update(getattr(node, "workeroutput", {}).get("versions", {}))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure; only the corpus, which is not ours to publish, may be missing."""
    if hasattr(session.config, "workeroutput"):  # one of several processes
        session.config.workeroutput["versions"] = VERSIONS
    if os.environ.get("CI") == "true" and any(not reason.startswith(CORPUS_NOT_SET) for reason in _left_out(session.config)):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_report_header() -> str:
    """The seed, at the beginning, too: a run that is stopped has no end."""
    how = "whole" if FULL else "sampled (`make test-full` runs them whole)"
    return f"Sweeps: {how}. SPATIAL_ETL_SEED={SEED} repeats this run."


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say with which seed and on which real services the tests ran, how many were left out, and why."""
    terminalreporter.line(pytest_report_header())
    if VERSIONS:
        terminalreporter.section("services")
        for name, version in sorted(VERSIONS.items()):
            terminalreporter.line(f"{name:8} {version}")
    left_out = _left_out(config)
    if left_out:
        terminalreporter.section("left out")
        for reason, count in left_out.most_common():
            terminalreporter.line(f"{count:5} test{'s' * (count != 1)}: {reason}")
        if os.environ.get("CI") == "true":
            terminalreporter.line("CI leaves out nothing but the corpus: anything else above is a failure.")


def _left_out(config: pytest.Config) -> Counter[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return Counter()
    skipped = reporter.stats.get("skipped", [])
    reasons = (report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr) for report in skipped)
    return Counter(reason.removeprefix("Skipped: ") for reason in reasons)
