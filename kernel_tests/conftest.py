"""Tests on this machine's kernel: BPFVM_KERNEL=auto skips with the reason, require fails, off refuses to start.

`needs("feature", …)` skips where the kernel is older than the feature or built without it, and fails on one that
should have it (kernel_tests/needs.py). Tests of kernel_tests/admin.py are skipped in a process without CAP_SYS_ADMIN.
`--all` runs the long tests whole.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from bpfvm.kernel import available
from bpfvm.kernel.host import privilege
from kernel_tests import admin, needs

MODES = ("auto", "off", "require")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="the long tests whole, which takes many minutes")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts so what runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    needs.register(config)


@pytest.fixture
def size(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """size(part, whole): how much of a long test to run; the whole of it with --all."""
    whole_wanted = bool(request.config.getoption("--all"))
    return lambda part, whole: whole if whole_wanted else part


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
    missing, is_admin = reason(), not privilege.lacking(("CAP_SYS_ADMIN",))
    for item in items:
        folders = item.nodeid.partition("::")[0].rpartition("/")  # parameters may have slashes too
        why = None if is_admin else admin.needed(item.nodeid.removeprefix("".join(folders[:2])))
        if missing is not None:
            item.add_marker(pytest.mark.skip(reason=missing))
        elif why is not None:
            item.add_marker(pytest.mark.skip(reason=f"needs CAP_SYS_ADMIN: it {why}"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    needs.check(item)


def pytest_report_header() -> str:
    missing = reason()
    return f"kernel: {'not used: ' + missing if missing else 'bpf(2) of this machine'}"
