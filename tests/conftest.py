"""What all tests share: hypothesis without a clock, and skips that count as failures on request."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# A busy machine is not a fault of the code; derandomised, so that a failure comes again.
settings.register_profile("zoo", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("zoo")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport]:
    """With ZOO_TEST_REQUIRE=1 a test that skips for want of data or of a program fails."""
    report: pytest.TestReport = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("ZOO_TEST_REQUIRE"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must not be skipped here: {reason}"
    return report
