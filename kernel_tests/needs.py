"""What a test needs of the kernel: `@pytest.mark.needs("ringbuf", "tcx")`, in names of bpfvm.tables.features.

A test is skipped, with the reason, where the probe says no and that is explained: the kernel is older than the
feature, is built without it, or the host, the process or the hardware does not allow it. Any other no fails the test: a
probe that is broken, or a feature lost by a kernel that should have it, must not hide behind a skip.
"""

from __future__ import annotations

from typing import Literal

import pytest

from bpfvm.kernel import features
from bpfvm.kernel.answers import Answer
from bpfvm.tables.features import Feature, feature, version
from kernel_tests.loading import release

EXPLAINED = frozenset({"configuration", "policy", "setup", "privilege", "hardware"})

Verdict = tuple[Literal["run", "skip", "fail"], str]


def verdict(row: Feature, answer: Answer, running: tuple[int, int]) -> Verdict:
    """What becomes of a test that needs the feature. running: the kernel's version."""
    if answer.have:
        return "run", ""
    reason = f"needs {row.name}: {answer.reason}"
    if row.since and running < version(row.since):
        return "skip", f"{reason}; it is since {row.since}, and this kernel is {running[0]}.{running[1]}"
    if answer.cause in EXPLAINED:
        return "skip", reason
    return "fail", f"{reason}; this kernel is {running[0]}.{running[1]}, which should have it (since {row.since})"


def needs(*names: str) -> None:
    """Skip or fail the running test unless all features are there. UsageError for a name that means nothing."""
    for name in names:
        row = feature(name)
        what, reason = verdict(row, features.probe(name), release())
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
