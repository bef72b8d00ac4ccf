"""Tests on this machine's kernel: BPFVM_KERNEL=auto skips with the reason, require fails, off refuses to start."""

from __future__ import annotations

import os

import pytest

from bpfvm.kernel import available

MODES = ("auto", "off", "require")


def reason() -> str | None:
    """Why nothing here can run, or None. Raises where BPFVM_KERNEL forbids or demands what is not so."""
    mode = os.environ.get("BPFVM_KERNEL", "auto")
    if mode not in MODES:
        raise pytest.UsageError(f"BPFVM_KERNEL={mode}: it is one of {', '.join(MODES)}")
    if mode == "off":
        raise pytest.UsageError("BPFVM_KERNEL=off, but all tests here ask the kernel; auto skips what it refuses")
    missing = available()
    if missing is not None and mode == "require":
        raise pytest.UsageError(f"BPFVM_KERNEL=require, but {missing}")
    return missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = reason()
    if missing is not None:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=missing))


def pytest_report_header() -> str:
    missing = reason()
    return f"kernel: {'not used: ' + missing if missing else 'bpf(2) of this machine'}"
