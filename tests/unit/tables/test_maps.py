"""The table of map types: laws that all rows keep, and refusals of what no machine has."""

from __future__ import annotations

import re

import pytest

from bpfvm.core.errors import BpfvmError, LoadError
from bpfvm.emulator import INTERP
from bpfvm.isa.insn import insn
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.maps import BY_NAME, BY_NUMBER, FLAGS, MAP_TYPES, MapType, flag_bits

OPERATIONS = {"lookup", "update", "delete", "next", "pop", "batch", "mmap"}
ENTRIES = {"any", "none", "one", "pages", "cpus"}
HOLDS = {"data", "prog", "map", "perf_event", "cgroup", "device", "cpu", "socket", "xsk"}


def test_numbers_and_names_are_all_there_once() -> None:
    assert [row.number for row in MAP_TYPES] == list(range(1, 34))
    names = [name for row in MAP_TYPES for name in (row.name, *row.aliases)]
    assert len(set(names)) == len(names) == len(BY_NAME)
    assert all(BY_NUMBER[row.number] is row for row in BY_NAME.values())
    assert BY_NAME["cgroup_storage_deprecated"] is BY_NAME["cgroup_storage"]
    print(f"{len(MAP_TYPES)} map types")
    assert len(MAP_TYPES) >= 33


def test_every_row_uses_words_of_the_closed_lists() -> None:
    for row in MAP_TYPES:
        assert set(row.user.split()) <= OPERATIONS, row.name
        assert row.entries in ENTRIES, row.name
        assert row.holds in HOLDS, row.name
        assert set(f"{row.flags} {row.required}".split()) <= set(FLAGS), row.name
        assert not set(row.flags.split()) & set(row.required.split()), row.name
        assert re.fullmatch(r"\d\.\d+", row.since), row.name


def test_flags_are_single_bits_in_order() -> None:
    assert list(FLAGS.values()) == [1 << bit for bit in range(len(FLAGS))]
    assert flag_bits("no_prealloc rdonly_prog") == 0x81
    assert BY_NAME["lpm_trie"].required_flags == 1
    assert BY_NAME["array"].allowed_flags == 0x159C


def test_sizes() -> None:
    array, hashed, ringbuf = BY_NAME["array"], BY_NAME["hash"], BY_NAME["ringbuf"]
    assert (array.key_size, array.value_size) == (4, None)
    assert (hashed.key_size, hashed.value_size) == (None, None)
    assert (ringbuf.key_size, ringbuf.value_size) == (0, 0)
    assert 4 not in BY_NAME["lpm_trie"].keys
    assert 12 not in BY_NAME["stack_trace"].values
    assert 16 in BY_NAME["stack_trace"].values
    assert array.can("mmap")
    assert not array.can("delete")


def refusal(spec: ObjectSpec) -> str | None:
    """The emulator's refusal of the program f, or None."""
    try:
        INTERP.load(spec, "f", {}).close()
    except BpfvmError as error:
        return str(error)
    return None


@pytest.mark.parametrize("row", MAP_TYPES, ids=lambda row: row.name)
def test_a_machine_has_the_type_or_says_in_one_line_that_it_has_not(row: MapType) -> None:
    one = MapSpec("m", row.name, 4, 4, 1)
    code = (insn("lddw_map", 1, symbol="m"), insn("mov64_k", 0, imm=0), insn("exit"))
    said = refusal(ObjectSpec({"f": ProgramSpec("f", "syscall", "syscall", code)}, {"m": one}))
    assert said is None or (row.name in said and "\n" not in said)
    assert said is None or row.name != "array"


def test_the_kernel_backend_names_a_type_that_is_made_of_a_table() -> None:
    with pytest.raises(LoadError, match=r"a struct_ops map is made of a table of functions in section \.struct_ops"):
        KernelMap(MapSpec("m", "struct_ops", 4, 4, 1))
