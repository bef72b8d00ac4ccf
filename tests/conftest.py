"""For all offline tests: the process cannot reach the kernel's BPF or the network; property tests are repeatable."""

from __future__ import annotations

import os

import hypothesis

from tests import offline

hypothesis.settings.register_profile("default", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=5000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

GUARD_MISSING: str | None = "BPFVM_KERNEL is not off"
if os.environ.get("BPFVM_KERNEL") == "off":
    GUARD_MISSING = offline.install()


def pytest_configure() -> None:
    if GUARD_MISSING is None:
        offline.show_trapped_calls()  # again: while this file was imported pytest kept standard error to itself


def pytest_report_header() -> str:
    return f"offline guard: {'not in force: ' + GUARD_MISSING if GUARD_MISSING else 'in force'}"
