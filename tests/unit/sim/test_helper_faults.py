"""A function that stands for a helper and fails: the line of its call, on every machine."""

from __future__ import annotations

from typing import Any

from bpfvm import Array, bpf, ktime, u64

times = Array(u64, 4)


@bpf.xdp
def timed(ctx: Any) -> int:
    times[0] = 1
    times[1] = ktime()
    return 2


def broken() -> int:
    raise LookupError("no time")


def test_a_helper_that_raises_is_a_fault_at_the_line_of_its_call() -> None:
    outcome = timed.check(bytes(14), helpers={"ktime_get_ns": broken})
    assert outcome.fault is not None
    assert outcome.fault.source is not None
    assert (outcome.fault.kind, outcome.fault.source.line) == ("helper", timed.function.__code__.co_firstlineno + 3)  # type: ignore[union-attr]
    assert "LookupError: no time" in outcome.fault.message
