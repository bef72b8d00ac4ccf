"""Global data outside of a run, and what a run makes of it."""

from __future__ import annotations

import pytest

from bpfvm import UsageError, bpf, struct, u32, u64


@struct
class State:
    total: u64 = 0
    step: u32 = 2


state = bpf.data(State)
limits = bpf.const(State(step=7))


@bpf.function
def count(n: u32) -> u64:
    state.total += n * state.step
    return state.total + limits.step


def test_data_is_set_until_a_program_is_compiled() -> None:
    state.step = 3
    limits.step = 9
    assert (state.step, limits.step, state == State(step=3)) == (3, 9, True)
    out = count.check(5)
    assert out.value == 24
    assert out.maps[".data.state"] == {"state": State(total=15, step=3)}
    assert out.maps[".rodata.limits"]["limits"]["step"] == 9
    assert count.check(1, maps=out.maps).maps[".data.state"] == {"state": {"total": 18, "step": 3}}
    assert state.total == 0, "a run has its own"
    with pytest.raises(UsageError, match=r"\.rodata\.limits\.step: a program was compiled with it"):
        limits.step = 1


def test_data_is_a_struct() -> None:
    with pytest.raises(UsageError, match=r"bpf.data takes a struct"):
        bpf.data(5)
    with pytest.raises(UsageError, match=r"bpf.map makes array, hash"):
        bpf.map("lpm_trie", 5)
