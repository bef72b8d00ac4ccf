"""What a test needs of the kernel: `@pytest.mark.needs("ringbuf", "tcx")`, in names of bpfvm.tables.features."""

from __future__ import annotations

import pytest

from bpfvm.testing.needs import features, verdict

__all__ = ["check", "needs", "register", "verdict"]


def needs(*names: str) -> None:
    """Skip or fail the running test unless all features are there. UsageError for a name that means nothing."""
    what, reason = features(names)
    if what == "skip":
        pytest.skip(reason)
    if what == "fail":
        pytest.fail(reason, pytrace=False)


def register(config: pytest.Config) -> None:
    """Make the marker known; for pytest_configure of a conftest.py."""
    config.addinivalue_line("markers", "needs(*features): skip, with the reason, where the kernel lacks a feature")


def check(item: pytest.Item) -> None:
    """Judge the markers of a test; for pytest_runtest_setup of a conftest.py."""
    for mark in item.iter_markers("needs"):
        needs(*mark.args)
