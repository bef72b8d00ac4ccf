"""Sections of `with`, which end on every way out: the end of the block, return, break, continue, faults."""

from __future__ import annotations

from bpfvm import bpf, u8, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


@case()
def section_of_a_block(a: u32, b: u32) -> u64:
    """The body computes as it would without it."""
    with bpf.rcu():
        c = a * b
    with bpf.no_preempt():
        c += 1
    return c


@case()
def sections_in_sections(a: u32, b: u32) -> u64:
    """Two in one statement, and one inside of them."""
    with bpf.rcu(), bpf.no_preempt():
        with bpf.irq_saved():
            c = a // 2
        c += b // 2
    return c


@case()
def section_returned_from(a: u8, b: u8) -> u64:
    """A return leaves all of them, after its value is computed."""
    with bpf.rcu():
        if a > b:
            return a - b
        with bpf.no_preempt():
            if a == b:
                return 1000
    return b - a


@case()
def sections_of_loops(a: u8, b: u8) -> u64:
    """break and continue leave those inside of the loop, and not that around it."""
    n = 0
    with bpf.rcu():
        for i in range(a):
            with bpf.no_preempt():
                if i == b:
                    break
                if i % 3 == 1:
                    continue
                n += i
        n += 7
    return n


@case()
def section_faults(a: u8, b: u8) -> u64:
    """A fault ends them, too: of a division, an index, an assertion."""
    data = u8[4](1, 2, 3, 4)
    with bpf.rcu(), bpf.no_preempt():
        c = a // b
        assert c != 3, "three"
        c += data[b]
    return c


def guarded(a: int, b: int) -> int:
    """A section of a function that is written out."""
    with bpf.no_preempt():
        if a == 5:
            return 50
        return a // b


@case()
def section_of_a_function(a: u8, b: u8) -> u64:
    """A return of a function that is called leaves its own sections alone."""
    with bpf.rcu():
        n = guarded(a, b)
    return n


@bpf.func
def placed(a: u8, b: u8) -> u64:
    """A section of a subprogram, which may end by a fault."""
    with bpf.no_preempt():
        if a == 5:
            return u64(50)
        return u64(a // b)


@case()
def section_of_a_subprogram(a: u8, b: u8) -> u64:
    """A fault in a subprogram ends the sections of its caller."""
    with bpf.rcu():
        return placed(a, b) + 1


@case()
def section_calls(a: u32) -> u64:
    """Kernel functions by their names, with and without bpf_ before them; a fault ends the section."""
    bpf.kfunc.rcu_read_lock()
    b = 100 // a
    bpf.kfunc.bpf_rcu_read_unlock()
    return b
