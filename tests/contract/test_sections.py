"""Locks in values of maps: what programs that hold them compute, and that every way out gives them back."""

from __future__ import annotations

from typing import Any

import pytest

from bpfvm import Array, Hash, SpinLock, bpf, session, struct, u32, u64
from tests.engines import EMULATORS


@struct
class Account:
    """A value that is changed under its lock."""

    lock: SpinLock
    count: u32
    total: u64


accounts = Array(Account, 4)
others = Hash(u32, Account, 16)


@bpf.tc
def counted(skb: Any) -> int:
    """Ways out of a lock: a return, a fault, the end."""
    one = accounts[skb.mark & 3]
    with bpf.lock(one.lock):
        one.count = one.count + 1
        if one.count == 2:
            return 7
        assert one.count != 3, "three"
        one.total = one.total + skb.len
    other = others.get(skb.mark)
    if other is not None:
        with bpf.lock(other.lock):
            other.count = other.count + 1
    return one.count


@pytest.mark.parametrize(("count", "action", "fault"), [
    (0, "TC_ACT_RECLASSIFY", None), (1, "TC_ACT_REDIRECT", None), (2, "TC_ACT_UNSPEC", "AssertionError"),
    (3, "TC_ACT_STOLEN", None),
])  # fmt: skip
def test_a_lock_is_given_back_on_every_way(count: int, action: str, fault: str | None) -> None:
    given = {"accounts": {1: {"lock": {"val": 0}, "count": count, "total": 5}},
             "others": {1: {"lock": {"val": 0}, "count": 8, "total": 0}}}  # fmt: skip
    outcome = counted.check(bytes(60), ctx={"mark": 1}, maps=given)
    assert (outcome.action, outcome.fault.kind if outcome.fault else None) == (action, fault)
    assert len(outcome.engines) > len(EMULATORS)
    ended = count not in (1, 2)
    assert outcome.maps["accounts"][1]["total"] == 5 + 60 * ended
    assert outcome.maps["others"][1]["count"] == 8 + ended


@pytest.mark.parametrize("engine", ["cpython", *EMULATORS])
def test_a_lock_can_be_taken_again(engine: str) -> None:
    with session(counted, engine) as runs:
        actions = [runs.run(bytes(60)).action for _ in range(4)]
    assert actions == ["TC_ACT_RECLASSIFY", "TC_ACT_REDIRECT", "TC_ACT_UNSPEC", "TC_ACT_STOLEN"]
