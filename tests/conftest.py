"""What every test shares: an honest account of what was left out."""

import os
import signal
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine and its other tenants, nothing about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

CORPUS_NOT_SET = "SPATIAL_ETL_CORPUS is not set"
"""How a test that needs the corpus of real files must begin the reason of its skip."""


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start: whoever runs the tests in the background may have it ignored for all."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure; only the corpus, which is not ours to publish, may be missing."""
    if os.environ.get("CI") == "true" and any(not reason.startswith(CORPUS_NOT_SET) for reason in _left_out(session.config)):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many tests were left out, and why."""
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
