"""For all offline tests: the process cannot reach the kernel's BPF or the network, the kernel's types are those that
ship with bpfvm, property tests are repeatable."""

from __future__ import annotations

import os
import signal

import hypothesis
import pytest

from bpfvm.lang.types.kernel_btf import VARIABLE
from bpfvm.tables import linux
from tests import offline, shared

hypothesis.settings.register_profile("default", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=5000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

GUARD_MISSING: str | None = "BPFVM_KERNEL is not off"
if os.environ.get("BPFVM_KERNEL") == "off":
    GUARD_MISSING = offline.install()
    os.environ[VARIABLE] = os.fspath(linux.TYPES)  # the types of the running kernel are none of these tests' business


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts so what runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if GUARD_MISSING is None:
        offline.show_trapped_calls()  # again: while this file was imported pytest kept standard error to itself


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if shared.skipped(item.nodeid):
            item.add_marker(pytest.mark.skip(reason=shared.REASON))


def pytest_report_header() -> str:
    return f"offline guard: {'not in force: ' + GUARD_MISSING if GUARD_MISSING else 'in force'}"
