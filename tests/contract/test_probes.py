"""Which data case or test covers which program that other machines get wrong, and which kind of bug that others had.

Two tables of probes, measured on seven machines, and fifteen classes of bugs. Every row names what covers it, and these
tests hold the names to what there is.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

from bpfvm.testing.datafile import Case
from tests.contract.data_files import every_case, long_cases

ROOT = Path(__file__).resolve().parents[2]

# Probe -> how it must end: the value of r0, or what stops it. Each is the data case of that name in tests/isa/probes.
FEATURES: Mapping[str, int | str] = {
    "gotol (0x06)": 0x5,
    "movsx8->64": 0xFFFF_FFFF_FFFF_FF80,
    "memsx ldxsb": 0xFFFF_FFFF_FFFF_FFFF,
    "sdiv64": 0xFFFF_FFFF_FFFF_FFFD,
    "bswap64": 0x0807_0605_0403_0201,
    "xchg64": 0x3,
    "cmpxchg64": 0x9,
    "fetch_add32": 0x3,
    "load_acquire64 (atomic 0x100)": 0x3,
    "load_acquire8": 0xFF,
    "store_release64 (atomic 0x110)": 0x6,
    "may_goto (0xe5), falls through": 0x2,
    "may_goto loop ends by budget": 0x1,
    "bpf-to-bpf call": 0x7,
    "call depth 8 frames": 0x7,
    "call depth 9 frames": "fault depth",
    "bounded recursion depth 5": 0x4,
    "callx (0x8d) reg=func addr": "refused",
    "lddw src=4 (func ptr) load only": 0x7,
    "gotox (0x0d)": "refused",
    "ld_abs byte (0x30)": 0xAA,
    "addr_space_cast (mov off=1)": "refused",
    "frame stack 512 bytes": 0x3,
    "stack read below fp-512": "fault access",
    "stack write above fp": "fault access",
    "read uninitialised r5": "fault uninit",
    "read uninitialised stack": "warning uninitialised",
    "write r10": "refused",
    "jump into lddw middle": "refused",
    "fall off the end": "refused",
    "infinite loop": "fault budget",
    "shift imm >= width": 0x1,
    "div by imm 0": "refused",
    "nonzero reserved field (exit dst=3)": "refused",
    "xchg without FETCH bit (0xe0)": "refused",
    "load at last byte of mem, 8 wide": "fault access",
}

# The second table, of values, all as other machines were wanted to give them; two rows are no data case but a test
VALUES = (
    "jgt imm 0xffffffff sign-extends",
    "arsh64 reg 63 of negative",
    "neg64",
    "mov32 imm -1 zero-extends",
    "le16 truncates",
    "sdiv INT64_MIN/-1",
    "sdiv by 0 reg",
    "smod by 0 reg",
    "mod32 by 0 reg zero-extends dst",
    "div32 by 0 reg",
    "cmpxchg32 fail zero-extends r0",
    "cmpxchg32 success keeps/zero-ext r0 hi",
    "fetch_add with src=r0 (rax alias)",
    "fetch_or, src=r0 (cmpxchg loop alias)",
    "fetch_and dst=r0 base",
    "shift reg by rcx alias: r3<<=r3",
    "shift reg by r4, dst r4 alias",
    "div r3/=r0 (rdx/rax alias)",
    "mod r0%=r3",
    "mul by r2 keeps r3 (rdx)",
    "jset32 imm -1",
    "st imm dw sign-extends",
    "movsx32 8->32 zero-extends upper",
)
LARGE = {
    "33,000-insn program, jump past 32767": "unit/emulator/test_large.py::test_jumps_past_the_reach_of_16_bits",
    "70,000-insn program": "unit/emulator/test_large.py::test_a_program_of_70000_instructions",
}

# Class of bugs -> data cases (FILE: CASE, all of a FILE, rows and registers left away) and tests that would find one
BUGS: Mapping[int, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    1: (
        "32-bit results that are not zero-extended",
        ("mov: 32 bits, register", "mov: 32 bits, a register to itself", "mov: 32 bits, -1",
         "cmpxchg: 32 bits, r0 is zero-extended", "values: mod32 by 0 reg zero-extends dst", "sdiv: 32 bits, register",
         "arithmetic: w /= w", "arithmetic: w s%= w", "arithmetic: w = w, one register twice",
         "atomic: fetch_add u32, memory and the operand"),
        (),
    ),
    2: (
        "immediates: sign extension, and an immediate of 0",
        ("values: jgt imm 0xffffffff sign-extends", "control: comparison with -1 in 64 bits",
         "control: comparison with -1 in 32 bits", "control: division by -1 is division by the largest number",
         "control: multiplication by the immediate 0 is no register form", "immediate", "jumps: r > -1"),
        (),
    ),
    3: (
        "shifts: counts over the width, and the register that a machine shifts by",
        ("arithmetic: r <<= r", "arithmetic: w s>>= w", "shift_immediate", "lsh: r3 by r3", "lsh: r3 by r4",
         "lsh: r4 by r3", "clobbered: r >>= r", "clobbered: w <<= w"),
        (),
    ),
    4: (
        "division: zero divisors, jumps over it, the smallest number by -1, registers that it uses",
        ("div: 64 bits, register", "mod: 32 bits, register", "sdiv: 64 bits, -1", "smod: 32 bits, -1",
         "values: sdiv INT64_MIN/-1", "control: a jump over a division", "control: a zero divisor between two jumps",
         "clobbered: r /= r", "clobbered: w s%= w"),
        (),
    ),
    5: (
        "atomics: operand or base in r0, no FETCH bit, an exchange that does not write its operand",
        ("atomic_fetch: and, operand r0", "atomic_fetch: and, base r0", "rejected: xchg without FETCH bit (0xe0)",
         "reserved_fields: cmpxchg without FETCH bit (0xf0)", "xchg: 64 bits, register",
         "atomic: xchg u64, memory and the operand", "atomic: cmpxchg u64, the base is r0"),
        ("contract/test_machines.py::test_machines_agree",),
    ),
    6: (
        "byte order: what is cut, and registers of longer encodings",
        ("values: le16 truncates", "le: 16", "le: 32", "be: registers that need a longer encoding",
         "immediate: bswap64"),
        (),
    ),
    7: (
        "registers and addresses of the machine below: any base, large programs, r0 that was never set",
        ("memory: load u64, and the base stays", "memory: store u64, the base and the operand stay",
         "store: each register, and what is read back", "faults: r0 that was never written",
         "helper_call: four arguments"),
        ("unit/emulator/test_large.py::test_a_program_of_70000_instructions",
         "unit/emulator/test_large.py::test_jumps_past_the_reach_of_16_bits"),
    ),
    8: (
        "calls: stack of each frame, jumps between functions, depth, what a return brings back",
        ("calls: two functions with all of the stack each", "calls: a jump into another function",
         "calls: a function that runs on into the next", "features: call depth 8 frames",
         "features: call depth 9 frames", "calls: returns from eight frames bring r6 back in each",
         "call: each frame has its own stack"),
        (),
    ),
    9: (
        "bounds: addresses that wrap, the last byte, above the frame pointer",
        ("bounds: 8 bytes that end at the last address", "bounds: an offset that carries an address over its end",
         "bounds: 2 bytes at the last byte", "region_ends: stack, the byte behind the last",
         "region_ends: packet, the byte behind the last", "region_ends: map value, the byte behind the last"),
        (),
    ),
    10: (
        "fields that are checked at load",
        ("reserved_fields", "rejected: jump into lddw middle", "rejected: fall off the end",
         "reserved_fields: wide load, src 7", "reserved_fields: wide load without a second half"),
        ("unit/isa/test_opcodes.py::*",),
    ),
    11: (
        "objects: sizes that overflow, relocations of either number, data sections, symbols of wrong type or size",
        (),
        ("unit/obj/reader/test_object.py::test_damage_of_the_header_is_named", "unit/obj/damage/test_damage.py::*",
         "unit/obj/elf/test_functions.py::*", "unit/obj/reader/test_references.py::*",
         "unit/obj/reader/test_maps.py::test_the_distance_tells_a_size_that_symbols_do_not"),
    ),
    12: (
        "the count of instructions and the place where it ends a run",
        ("meter", "rejected: infinite loop"),
        ("unit/emulator/test_budget.py::test_the_budget_is_exact_to_the_instruction",
         "unit/emulator/test_budget.py::test_the_place_where_a_budget_ends"),
    ),
    13: (
        "what one run leaves behind for the next, and one load for another",
        (),
        ("unit/emulator/test_leaks.py::test_a_run_finds_nothing_of_the_one_before",
         "unit/emulator/test_leaks.py::test_a_load_finds_nothing_of_the_one_before",
         "unit/emulator/test_leaks.py::test_the_count_of_tail_calls_begins_anew",
         "unit/emulator/test_leaks.py::test_running_changes_no_program"),
    ),
    14: (
        "a setting that changes results, and a store that writes r0",
        ("stores: r0 stays", "stores: immediates of every width through every register",
         "stores: the bytes beside a store stay"),
        ("unit/emulator/test_settings.py::test_no_setting_changes_what_a_case_gives",),
    ),
    15: (
        "what is deduced of registers: fetches, swapped bytes, copies",
        ("deduced",),
        ("unit/emulator/test_portable.py::test_every_operation_is_the_tables",),
    ),
}  # fmt: skip


def met(case: Case) -> int | str | None:
    """How a case must end, as FEATURES tells it."""
    if case.expect.refused is not None:
        return "refused"
    if case.expect.fault is not None:
        return f"fault {case.expect.fault[0]}"
    return f"warning {case.expect.warning[0]}" if case.expect.warning is not None else case.result


def named() -> dict[str, list[Case]]:
    """The cases by "FILE: CASE", each with all of its rows and registers, and by FILE."""
    found: dict[str, list[Case]] = {}
    for case in (*every_case(), *long_cases()):
        stem, _, rest = case.name.partition(": ")
        for name in {stem, case.name, f"{stem}: {rest.partition(' [')[0]}"} | _heads(case.name):
            found.setdefault(name, []).append(case)
    return found


def _heads(name: str) -> set[str]:
    parts = name.split(": ")
    return {": ".join(parts[:count]) for count in range(1, len(parts))}


def test_every_probe_is_a_data_case_that_ends_as_wanted() -> None:
    cases = named()
    for probe, wanted in FEATURES.items():
        found = [*cases.get(f"features: {probe}", ()), *cases.get(f"rejected: {probe}", ()),
                 *cases.get(f"may_goto_spent: {probe}", ())]  # fmt: skip
        assert found, probe
        assert wanted in map(met, found), f"{probe}: {[met(case) for case in found]}"
    for probe in VALUES:
        found = cases.get(f"values: {probe}", [])
        assert found, probe
        assert all(case.result is not None and case.expect.kernel is None for case in found), probe
    print(f"{len(FEATURES)} and {len(VALUES) + len(LARGE)} probes")
    assert (len(FEATURES), len(VALUES) + len(LARGE)) == (36, 25)


def test_no_data_case_of_the_probes_is_without_a_row() -> None:
    rows = {*FEATURES, *VALUES}
    for case in (*every_case(), *long_cases()):
        if Path(case.place.file).parent.name in ("probes", "long"):
            name = case.name.partition(": ")[2]
            assert any(name.startswith(row) for row in rows), case.name


def functions_of(name: str) -> list[str]:
    """The functions of a file of tests that `name` (FILE::FUNCTION or FILE::*) stands for."""
    file, _, wanted = name.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text())
    found = [one.name for one in tree.body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")]
    return [one for one in found if wanted in ("*", one)]


def test_every_class_of_bugs_is_covered() -> None:
    cases = named()
    assert list(BUGS) == list(range(1, 16))
    total = 0
    for number, (title, wanted, tests) in BUGS.items():
        covering = {case.name for name in wanted for case in cases.get(name, ())}
        functions = [one for name in tests for one in functions_of(name)]
        assert [name for name in wanted if name not in cases] == [], title
        assert [name for name in tests if not functions_of(name)] == [], title
        assert covering or functions, title
        total += len(covering)
        print(f"{number:>2}  {len(covering):>5} cases {len(functions):>3} tests  {title}")
    assert total >= 1800


@pytest.mark.parametrize("name", LARGE.values(), ids=LARGE)
def test_large_programs_have_their_tests(name: str) -> None:
    assert functions_of(name)
