"""Timers of values of maps in the kernel: the scripts of tests/contract/timers.py by the clock on the wall."""

from __future__ import annotations

import time

import pytest

from kernel_tests.needs import needs
from tests.contract.timers import SCRIPTS, play


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_kernel_agrees_on_timers(name: str) -> None:
    needs("timers")
    started: list[float] = []

    def wait(ms: int) -> None:
        started.extend([] if started else [time.monotonic()])
        time.sleep(max(0.0, started[0] + ms / 1000 - time.monotonic()))

    found = play(name, "kernel", wait)
    assert found == play(name, "cpython")
    assert sum(len(one) for one in found.values()) >= 2
