"""Text: formats and what of them is shown, lines of the trace. The kernel is asked in kernel_tests."""

from __future__ import annotations

import errno

import pytest

from bpfvm.core.machine import Input, Result
from bpfvm.emulator import Emulator
from bpfvm.emulator.printf import render, valid
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_NAME
from tests.engines import EMULATORS


class Texts:
    """Memory with a text at 100, an address at 200, and nothing else."""

    def peek(self, address: int, size: int) -> bytes | None:
        return bytes(range(1, size + 1)) if address == 200 else None

    def text(self, address: int, size: int) -> bytes | None:
        return b"hello"[: size - 1] if address == 100 else None


M64 = (1 << 64) - 1


@pytest.mark.parametrize(("form", "values", "text"), [
    ("plain %% text", [], "plain % text"),
    ("%d %i %u", [M64, 1 << 31, M64], "-1 -2147483648 4294967295"),
    ("%ld %lld %lu", [M64, 1 << 63, M64], f"-1 {-(1 << 63)} {M64}"),
    ("%x %X %lx %llX", [0xABCDEF1234, 0xAB, 0xABCDEF1234, 0xAB], "cdef1234 AB abcdef1234 AB"),
    ("[%5d] [%-5d] [%05d] [%+d] [% d] [%+05d]", [42] * 6, "[   42] [42   ] [00042] [+42] [ 42] [+0042]"),
    ("[%-05d] [%+u] [%08x]", [42, 42, M64], "[42   ] [42] [ffffffff]"),
    ("%s|%8s|%-8s|%08s", [100] * 4, "hello|   hello|hello   |   hello"),
    ("%pks|%pus|%s", [100, 100, 3], "hello|hello|"),
    ("[%c%3c%-3c]", [65, 66, 0x143], "[A  BC  ]"),
    ("%px|%20px|%3px|%-20px|", [0x12] * 4, "0000000000000012|                  12| 12|12                  |"),
    ("%p %pK", [0, M64], "0000000000000000 ffffffffffffffff"),
    ("%ps %pS %pB", [18, 19, 20], "0x12 0x13 0x14"),
    ("%pI4 %pi4 %pI4", [200, 200, 1], "1.2.3.4 001.002.003.004 0.0.0.0"),
    ("%pI6 %pi6", [200, 200], "0102:0304:0506:0708:090a:0b0c:0d0e:0f10 0102030405060708090a0b0c0d0e0f10"),
    ("%pI6c,%pxyz,%20pI4", [200, 1, 200], "0102:0304:0506:0708:090a:0b0c:0d0e:0f10,0000000000000001,1.2.3.4"),
    ("grüß\t%d\n", [1], "grüß\t1\n"),
])  # fmt: skip
def test_forms(form: str, values: list[int], text: str) -> None:
    wanted = text.encode()
    assert valid(form.encode(), len(values))
    assert render(form.encode(), values, Texts(), 1000) == (wanted, len(wanted))
    if "p" not in form:
        assert render(form.encode(), values, Texts(), 6) == (wanted[:5], len(wanted))
        assert render(form.encode(), values, Texts(), 0) == (b"", len(wanted))


@pytest.mark.parametrize("form", ["%", "%q", "%5", "%#x", "%.3d", "%hd", "%lc", "%ls", "%lp", "%sa", "%s1", "%pQ",
                                  "%pI5", "%pksa", "%n", "\x01", "\x7f", "%-", "%*d", "%llld"])  # fmt: skip
def test_what_is_no_form(form: str) -> None:
    assert not valid(form.encode(), 12)
    assert render(form.encode(), [1] * 12, Texts(), 100) == -errno.EINVAL
    assert render(form.encode(), [], Texts(), 100) == -errno.EINVAL


def test_a_pointers_hash_tells_nothing_of_it_and_is_the_same_everywhere() -> None:
    made = render(b"%p %p %p", [0xFFFF888012345678, 0xFFFF888012345678, 5], Texts(), 100)
    assert isinstance(made, tuple)
    one, two, three = made[0].split()
    assert one == two != three
    assert one.startswith(b"00000000")
    assert b"12345678" not in one


def test_a_width_of_any_size_costs_no_memory() -> None:
    made = render(b"%2000000000d|", [7], Texts(), 10)
    assert made == (b" " * 9, 2_000_000_001)


def test_the_buffer_of_values_is_512_bytes() -> None:
    class Long(Texts):
        def text(self, address: int, size: int) -> bytes | None:
            return b"x" * min(address, size - 1)

    assert render(b"%s%s", [300, 300], Long(), 1000) == (b"x" * 510, 510)
    assert render(b"%s%s%d", [300, 300, 1], Long(), 1000) == -errno.ENOSPC
    assert render(b"%s%c", [600, 1], Long(), 1000) == -errno.ENOSPC
    assert render(b"%s%d", [505, 1], Long(), 1000) == (b"x" * 505 + b"1", 506)
    assert render(b"%s%d", [508, 1], Long(), 1000) == -errno.ENOSPC


def run(text: str, name: str, *maps: MapSpec) -> Result:
    insns = assemble(text, helper=lambda name: BY_NAME[name].id if name in BY_NAME else None)
    spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(insns))}, {one.name: one for one in maps})
    with Emulator(name).load(spec, "p", {}) as loaded:
        return loaded.run(Input(ctx=bytes(8)))


def constant(text: bytes) -> MapSpec:
    return MapSpec("f", "array", 4, len(text), 1, 1 << 7, initial=text)


PRINT = "r3 = 5\nr4 = 6\nr5 = 7\nr1 = map[f]+0\nr2 = {}\ncall trace_printk\nexit"


@pytest.mark.parametrize("name", EMULATORS)
def test_lines_of_the_trace(name: str) -> None:
    form = b"a %d %d %d\n\0"
    done = run(PRINT.format(len(form)), name, constant(form))
    assert (done.trace, done.r0, done.fault) == (("a 5 6 7",), 8, None)
    assert run(PRINT.format(5), name, constant(form)).r0 == (1 << 64) - errno.EINVAL
    long = b"%1500d end\0"
    done = run(PRINT.format(len(long)), name, constant(long))
    assert (len(done.trace[0]), done.r0) == (1023, 1504)


@pytest.mark.parametrize("name", EMULATORS)
def test_a_value_that_was_never_written_is_only_missed_where_it_is_shown(name: str) -> None:
    text = "call ktime_get_ns\nr3 = 1\nr1 = map[f]+0\nr2 = {}\ncall trace_printk\nexit"
    assert run(text.format(5), name, constant(b"a %d\0")).trace == ("a 1",)
    fault = run(text.format(8), name, constant(b"a %d %d\0")).fault
    assert fault is not None
    assert fault.message == "argument 4 of bpf_trace_printk#6 is in a register that was never written"


@pytest.mark.parametrize("name", EMULATORS)
def test_a_format_that_the_verifier_refuses_is_a_fault(name: str) -> None:
    text = "r1 = r10\nr1 += -8\nr2 = 8\nr3 = map[f]+0\nr4 = 0\nr5 = 0\ncall snprintf\nexit"
    assert run(text, name, constant(b"text\0")).r0 == 5
    fault = run(text, name, constant(b"%d\0")).fault
    assert fault is not None
    assert fault.message == "argument 3 of bpf_snprintf#165 is b'%d', no format of 0 values"


@pytest.mark.parametrize("name", EMULATORS)
def test_clocks_and_chance(name: str) -> None:
    def word(call: str, **given: int) -> int:
        insns = assemble(f"call {call}\nexit", helper=lambda name: BY_NAME[name].id if name in BY_NAME else None)
        spec = ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", tuple(insns))}, {})
        with Emulator(name, cpus=4).load(spec, "p", {}) as loaded:
            result = loaded.run(Input(packet=bytes(64), **given))  # type: ignore[arg-type]
        assert result.fault is None
        return result.r0

    now = 12_345_678_901
    for clock in ("ktime_get_ns", "ktime_get_boot_ns", "ktime_get_tai_ns"):
        assert word(clock, clock=now) == now
    assert word("ktime_get_coarse_ns", clock=now) == 12_344_000_000
    assert word("jiffies64", clock=now) == (-300 * 250) % (1 << 32) + 3086
    assert word("get_smp_processor_id", cpu=3) == 3
    assert word("get_numa_node_id", cpu=3) == 0
    assert word("get_prandom_u32", seed=1) == word("get_prandom_u32", seed=1) != word("get_prandom_u32", seed=2)
