"""Helpers called by their names: numbers, buffers with and without their sizes, maps, and short names."""

from __future__ import annotations

from bpfvm import Array, bpf, comm, cpu, gid, ktime, pid, pid_tgid, rand, tid, u8, u32, u64, uid, uid_gid
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases

cells = Array(u64, 4)


@case()
def parsed(a: u8) -> u64:
    """A number out of a text, through memory that a helper writes to."""
    made = u64[1]()
    size = bpf.helper.strtoul(b"1234 rest", 9, 10, made)
    return u64(size) * 10_000 + made[0] + a


@case()
def parsed_without_sizes(a: u8) -> u64:
    """A size behind memory may be left out; errors are negative numbers."""
    made = u64[1]()
    if bpf.helper.strtol(b"none", 0, made) < 0:
        return made[0] + a
    return 1


@case()
def compared_texts(a: u8) -> u64:
    """strncmp: memory, its size, a text."""
    text = u8[4](97, 98, a % 4 + 98, 0)
    return 5 + (bpf.helper.strncmp(text, b"abc\0") == 0)


@case()
def stored_by_a_helper(a: u32, b: u32) -> u64:
    """A map, a key and a value as numbers; a key in memory."""
    bpf.helper.map_update_elem(cells, 2, a + b, 0)
    key = u32[1](2)
    bpf.helper.map_update_elem(cells, key, cells[2] + 1, 0)
    return cells[2]


@case()
def found_by_a_helper(a: u8) -> u64:
    """A pointer to a value is an array of one number, or None; what is stored there is in the map."""
    found = bpf.helper.map_lookup_elem(cells, a % 6)
    if found is None:
        return 1000
    found[0] = a
    return cells[a % 6] + found[0]


@case()
def refused_by_a_helper(a: u8) -> u64:
    """An errno is an exact number below 0."""
    error = bpf.helper.map_delete_elem(cells, a)
    return -error if error < 0 else 0


@case()
def of_the_task(a: u8) -> u64:
    """Numbers of the task that runs the program: the short names agree with the words that helpers give."""
    word, ids = pid_tgid(), uid_gid()
    assert pid() == word >> 32
    assert tid() == word & 0xFFFF_FFFF
    assert uid() == ids & 0xFFFF_FFFF
    assert gid() == ids >> 32
    assert cpu() < 4096
    name = comm()
    assert name[15] == 0
    return a + (name == "" or rand() <= 0xFFFF_FFFF)


@case()
def time_passes(a: u8) -> u64:
    """ktime is a u64, whose differences wrap."""
    start = ktime()
    return u64(ktime() - start < 1_000_000_000) + a
