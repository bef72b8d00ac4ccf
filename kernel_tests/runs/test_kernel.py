"""The kernel backend: maps made, filled and read back, programs loaded and run, everything closed again."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bpfvm.core.bits import M32, M64
from bpfvm.core.errors import LoadError, Unavailable, UsageError, VerifierReject
from bpfvm.core.machine import Input
from bpfvm.isa.insn import Insn, insn
from bpfvm.kernel import KERNEL, LoadedProgram, available
from bpfvm.kernel.maps import elements
from bpfvm.kernel.sys import MAP_LOOKUP_BATCH, bpf
from bpfvm.obj.model import MapSpec
from bpfvm.tables.ctx import CONTEXTS
from kernel_tests.handmade import NAME, array, buffer, spec, words

FRAME = bytes(range(64))
PASS = (insn("mov64_k", 0, imm=2), insn("exit"))
LOOKUP, ADJUST_HEAD, ADJUST_META, ADJUST_TAIL = 1, 44, 54, 65  # enum bpf_func_id


def key(number: int) -> bytes:
    return number.to_bytes(4, elements.BYTE_ORDER)


def value(number: int, size: int = 8) -> bytes:
    return number.to_bytes(size, elements.BYTE_ORDER)


def uses(one: MapSpec) -> tuple[Insn, ...]:
    """A program that refers to the map and does nothing with it."""
    return insn("lddw_map", 1, symbol=one.name), *PASS


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@contextmanager
def nothing_left_open() -> Iterator[None]:
    before = descriptors()
    yield
    assert descriptors() == before


def test_available() -> None:
    assert available() is None


SHAPES = [(1, 1), (1, 3), (2, 8), (3, 5), (7, 16), (256, 8), (1000, 1), (5, 4096), (2, 1 << 20), (3, (1 << 20) + 8),
          (100_000, 8), (300_000, 4)]  # fmt: skip


@pytest.mark.parametrize(("entries", "size"), SHAPES)
def test_map_contents_come_back(entries: int, size: int) -> None:
    one = array("contents", entries, size)
    places = sorted({0, entries // 2, entries - 1})
    given = [(key(number), (bytes([number % 251 + 1]) * size)) for number in places]
    with nothing_left_open(), KERNEL.load(spec("xdp", uses(one), [one]), NAME, {"contents": list(given)}) as loaded:
        found = loaded.read_map("contents")
        assert [number for number, _ in found] == [key(number) for number in range(entries)]
        assert [entry for entry in found if entry[1] != bytes(size)] == given
        loaded.write_map("contents", [(key(entries - 1), b"\xff" * size)])
        assert loaded.read_map("contents")[-1] == (key(entries - 1), b"\xff" * size)


@pytest.mark.parametrize("number", [errno.EINVAL, 524])
def test_maps_are_read_without_batch_calls(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def old_kernel(command: int, attr: object) -> int:
        if command == MAP_LOOKUP_BATCH:
            raise OSError(number, "no such command")
        return bpf(command, attr)  # type: ignore[arg-type]

    one = array("old", 9, 3)
    with KERNEL.load(spec("xdp", uses(one), [one]), NAME, {"old": [(key(4), b"abc")]}) as loaded:
        by_batch = loaded.read_map("old")
        monkeypatch.setattr(elements, "bpf", old_kernel)
        assert loaded.read_map("old") == by_batch
        assert by_batch[4] == (key(4), b"abc")


BAD_ENTRIES = [
    (b"abc", bytes(8), "map m: a key of 3 bytes, and this map's have 4"),
    (key(0), bytes(7), "map m: a value of 7 bytes, and this map's have 8"),
    (key(0), [bytes(8)], "map m: a list of values, and this map's are one for all CPUs"),
    (key(3), bytes(8), "map m: index 3, and the last is 2"),
]


@pytest.mark.parametrize(("number", "contents", "message"), BAD_ENTRIES)
def test_entries_that_do_not_fit(number: bytes, contents: bytes | list[bytes], message: str) -> None:
    one = array("m", 3)
    with nothing_left_open(), pytest.raises(UsageError) as caught:
        KERNEL.load(spec("xdp", uses(one), [one]), NAME, {"m": [(number, contents)]})
    assert str(caught.value) == message


BAD_MAPS = [
    (MapSpec("m", "array", 8, 8, 1), LoadError, "map m: keys of 8 bytes, and those of array have 4"),
    (MapSpec("m", "array", 4, 0, 1), LoadError, "map m: value_size is 0, and the kernel takes 1 to 4294967295"),
    (MapSpec("m", "array", 4, 8, 0), LoadError, "map m: max_entries is 0, and the kernel takes 1 to 4294967295"),
    (MapSpec("m", "array", 4, 8, 1 << 32), LoadError, "max_entries is 4294967296"),
    (MapSpec("m", "array", 4, 8, M32), LoadError, "map m is too large for this kernel (E"),
    (MapSpec("m", "array", 4, 1 << 31, 1), LoadError, "map m is too large for this kernel (E2BIG)"),
    (
        MapSpec("m", "array", 4, 8, 1, flags=1),
        LoadError,
        "map m: this kernel makes no array map of this shape (EINVAL)",
    ),
    (MapSpec("m", "array", 4, 8, 1, flags=1 << 33), LoadError, "map m: flags is 8589934592"),
    (
        MapSpec("m", "array", 4, 8, 1, initial=bytes(4)),
        LoadError,
        "map m: initial contents of 4 bytes, and a value has 8",
    ),
    (MapSpec("m", "cuckoo", 4, 8, 1), Unavailable, "map m: there are no maps of type 'cuckoo'"),
]


@pytest.mark.parametrize(("one", "kind", "message"), BAD_MAPS)
def test_maps_that_cannot_be(one: MapSpec, kind: type[Exception], message: str) -> None:
    with nothing_left_open(), pytest.raises(kind) as caught:
        KERNEL.load(spec("xdp", uses(one), [array("first", 1), one]), NAME)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def counter() -> tuple[Insn, ...]:
    """counts[the frame's 24th byte] += 1, for frames that have one."""
    return (
        insn("ldx32", 2, 1, 0),
        insn("ldx32", 3, 1, 4),
        insn("mov64_x", 4, 2),
        insn("add64_k", 4, imm=24),
        insn("jgt64_x", 4, 3, off=10),
        insn("ldx8", 4, 2, 23),
        insn("stx32", 10, 4, -4),
        insn("mov64_x", 2, 10),
        insn("add64_k", 2, imm=-4),
        insn("lddw_map", 1, symbol="counts"),
        insn("call", imm=LOOKUP),
        insn("jeq64_k", 0, imm=0, off=2),
        insn("mov64_k", 1, imm=1),
        insn("atomic_add64", 0, 1),
        *PASS,
    )


def test_a_counter_keeps_its_map_from_run_to_run() -> None:
    numbers = [6, 17, 17, 1, 255, 6, 17]
    with KERNEL.load(spec("xdp", counter(), [array("counts", 256)]), NAME, {"counts": [(key(1), value(40))]}) as loaded:
        for number in numbers:
            result = loaded.run(Input(packet=bytes(23) + bytes([number]) + bytes(36)))
            assert (result.r0, result.r0_bits, result.insns, result.fault, result.trace) == (2, 32, 0, None, ())
        short = loaded.run(Input(packet=bytes(23)))
        assert (short.r0, short.packet) == (2, bytes(23))
        counts = {entry[0]: entry[1] for entry in loaded.read_map("counts") if entry[1] != bytes(8)}
    assert counts == {key(6): value(2), key(17): value(3), key(1): value(41), key(255): value(1)}


def test_only_the_maps_of_the_program_are_made() -> None:
    huge = MapSpec("elsewhere", "array", 4, 1 << 31, M32)
    with KERNEL.load(spec("xdp", PASS, [huge]), NAME) as loaded, pytest.raises(UsageError) as caught:
        loaded.read_map("elsewhere")
    assert str(caught.value) == "handmade does not use a map 'elsewhere'; its maps are none"


def test_a_map_given_contents_is_made_though_no_instruction_names_it() -> None:
    with KERNEL.load(spec("xdp", PASS, [array("aside", 2)]), NAME, {"aside": [(key(1), value(5))]}) as loaded:
        assert loaded.read_map("aside") == [(key(0), value(0)), (key(1), value(5))]


def test_hidden_maps_are_made_too() -> None:
    hidden = MapSpec("bpfvm.fault", "array", 4, 8, 1, hidden=True)
    with KERNEL.load(spec("xdp", uses(hidden), [hidden]), NAME) as loaded:
        loaded.write_map("bpfvm.fault", [(key(0), value(9))])
        assert loaded.read_map("bpfvm.fault") == [(key(0), value(9))]


def load_value(size: int, *offsets: int) -> tuple[Insn, ...]:
    """A syscall program: context word n = what stands `offsets[n]` bytes into the value of map "data"."""
    code = [insn("mov64_x", 6, 1)]
    for number, offset in enumerate(offsets):
        code += [insn("lddw_map_value", 2, imm=offset << 32, symbol="data"), insn(f"ldx{size}", 3, 2),
                 insn("stx64", 6, 3, 8 * number)]  # fmt: skip
    return (*code, insn("mov64_k", 0), insn("exit"))


def test_addresses_inside_a_map_value() -> None:
    data = array("data", 1, 32, initial=bytes(range(32)))
    with KERNEL.load(spec("syscall", load_value(8, 0, 1, 31), [data]), NAME) as loaded:
        after = loaded.run(Input(ctx=bytes(24))).ctx
    assert after is not None
    assert words(after) == [0, 1, 31]


def test_read_only_data_is_frozen_and_known_to_the_verifier() -> None:
    data = array("data", 1, 8, flags=1 << 7, initial=value(4))
    # the loop bound is read from the map: the verifier can only count the turns because it knows the contents
    code = (
        insn("lddw_map_value", 2, symbol="data"),
        insn("ldx64", 3, 2),
        insn("mov64_k", 0),
        insn("add64_k", 0, imm=3),
        insn("add64_k", 3, imm=-1),
        insn("jne64_k", 3, off=-3),
        insn("exit"),
    )
    with KERNEL.load(spec("syscall", code, [data]), NAME) as loaded:
        assert loaded.run(Input()).r0 == 12
        with pytest.raises(UsageError) as caught:
            loaded.write_map("data", [(key(0), value(1))])
    assert str(caught.value) == "map data cannot be written: its flags (0x80) forbid it (EPERM)"


def test_two_loads_share_nothing() -> None:
    one = spec("xdp", counter(), [array("counts", 256)])
    with KERNEL.load(one, NAME) as a, KERNEL.load(one, NAME) as b:
        a.run(Input(packet=FRAME))
        assert a.read_map("counts")[23] == (key(23), value(1))
        assert b.read_map("counts")[23] == (key(23), value(0))


def run_once(*insns: Insn, kind: str = "xdp", given: Input | None = None) -> tuple[int, bytes | None]:
    with KERNEL.load(spec(kind, insns), NAME) as loaded:
        result = loaded.run(given or Input(packet=FRAME))
    return result.r0, result.packet


def test_a_changed_packet_is_seen() -> None:
    code = (insn("ldx32", 2, 1, 0), insn("ldx32", 3, 1, 4), insn("mov64_x", 4, 2), insn("add64_k", 4, imm=14),
            insn("jgt64_x", 4, 3, off=2), insn("st16", 2, off=12, imm=0x6655), insn("st8", 2, off=0, imm=0xAA),
            insn("mov64_k", 0, imm=3), insn("exit"))  # fmt: skip
    swapped = value(0x6655, 2)
    assert run_once(*code) == (3, b"\xaa" + FRAME[1:12] + swapped + FRAME[14:])
    assert bytes(range(64)) == FRAME


@pytest.mark.parametrize("delta", [-40, -1, 0, 1, 100, 3000])
def test_a_packet_that_changes_its_end(delta: int) -> None:
    code = insn("mov64_k", 2, imm=delta), insn("call", imm=ADJUST_TAIL), insn("exit")
    assert run_once(*code) == (0, FRAME[: 64 + delta] + bytes(max(delta, 0)))


@pytest.mark.parametrize("delta", [-192, -14, 0, 14, 50])
def test_a_packet_that_changes_its_start(delta: int) -> None:
    code = insn("mov64_k", 2, imm=delta), insn("call", imm=ADJUST_HEAD), insn("exit")
    status, packet = run_once(*code)
    assert packet is not None
    assert (status, len(packet), packet[-14:]) == (0, 64 - delta, FRAME[-14:])
    if delta >= 0:
        assert packet == FRAME[delta:]


def test_metadata_is_no_part_of_the_packet() -> None:
    code = insn("mov64_k", 2, imm=-8), insn("call", imm=ADJUST_META), insn("exit")
    assert run_once(*code) == (0, FRAME)


def test_r0_is_32_bits_of_a_hook() -> None:
    assert run_once(insn("lddw", 0, imm=0x1_2345_6789), insn("exit")) == (0x2345_6789, FRAME)
    assert run_once(insn("mov64_k", 0, imm=-1), insn("exit"))[0] == M32


MEASURE = (insn("ldx32", 0, 1, 4), insn("ldx32", 1, 1, 0), insn("sub64_x", 0, 1), insn("exit"))  # data_end - data


def test_frame_sizes() -> None:
    compared = 0
    with nothing_left_open(), KERNEL.load(spec("xdp", MEASURE), NAME) as loaded:
        for size in (14, 15, 60, 1514, 2048, 2049, 3000):
            result = loaded.run(Input(packet=b"\x5a" * size))
            assert (result.r0, result.packet) == (size, b"\x5a" * size)
            compared += 1
        for size in (0, 1, 13):
            with pytest.raises(Unavailable) as caught:
                loaded.run(Input(packet=bytes(size)))
            assert str(caught.value) == f"BPF_PROG_TEST_RUN takes no frame under 14 bytes, and this one has {size}"
        with pytest.raises(Unavailable, match=r"^BPF_PROG_TEST_RUN takes no frame of 1000000 bytes on this kernel$"):
            loaded.run(Input(packet=bytes(1_000_000)))
    assert compared == 7


def test_a_frame_is_never_shown_in_part() -> None:
    """Behind the first page the kernel keeps a frame out of data to data_end: an answer about a part is no answer."""
    with KERNEL.load(spec("xdp", MEASURE), NAME) as loaded:
        whole = 3000
        while shown_whole(loaded, whole + 1):
            whole += 1
        print(f"the largest frame shown whole has {whole} bytes")
        with pytest.raises(Unavailable) as caught:
            loaded.run(Input(packet=bytes(whole + 1)))
    assert str(caught.value) == (
        f"BPF_PROG_TEST_RUN shows a program {whole} bytes of a frame, and this one has {whole + 1}"
    )


def shown_whole(loaded: LoadedProgram, size: int) -> bool:
    """Whether the kernel takes the frame; if it does, MEASURE must have seen all of it."""
    try:
        result = loaded.run(Input(packet=bytes(size)))
    except Unavailable:
        return False
    assert (result.r0, result.packet) == (size, bytes(size))
    return True


def field(name: str) -> tuple[Insn, ...]:
    row = CONTEXTS["xdp_md"].field(name)
    assert row is not None
    return insn("ldx32", 0, 1, row.offset), insn("exit")


def test_context_fields() -> None:
    assert run_once(*field("ingress_ifindex"))[0] == 1
    assert run_once(*field("rx_queue_index"))[0] == 0
    given = Input(packet=FRAME, fields={"ingress_ifindex": 1, "rx_queue_index": 0})
    assert run_once(*field("ingress_ifindex"), given=given)[0] == 1


BAD_FIELDS = [
    ({"ingress_ifindex": 0}, Unavailable, "ingress_ifindex = 0: BPF_PROG_TEST_RUN puts 1, the loopback interface, in"),
    ({"ingress_ifindex": 1 << 30}, Unavailable,
     "ingress_ifindex = 1073741824: this network namespace has no interface of that number (ENODEV)"),
    ({"rx_queue_index": 3}, Unavailable, "rx_queue_index = 3: the interface has no such receive queue"),
    ({"egress_ifindex": 1}, Unavailable, "egress_ifindex = 1: BPF_PROG_TEST_RUN takes no other than 0"),
    ({"ingress_ifindex": 1 << 32}, UsageError, "xdp_md.ingress_ifindex = 4294967296 does not fit its 32 bits"),
    ({"ingress_ifindex": -1}, UsageError, "xdp_md.ingress_ifindex = -1 does not fit its 32 bits"),
    ({"data": 4}, UsageError, "xdp_md has no field 'data' that can be given; it has ingress_ifindex, rx_queue_index"),
    ({"mark": 4}, UsageError, "xdp_md has no field 'mark' that can be given; it has ingress_ifindex, rx_queue_index"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "kind", "message"), BAD_FIELDS)
def test_context_fields_that_cannot_be(fields: dict[str, int], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        run_once(*PASS, given=Input(packet=FRAME, fields=fields))
    assert str(caught.value).startswith(message)


def test_a_64_bit_result_of_a_syscall_program() -> None:
    code = (insn("ldx64", 2, 1, 0), insn("ldx64", 3, 1, 8), insn("mul64_x", 2, 3), insn("stx64", 1, 2, 16),
            insn("mov64_x", 0, 2), insn("exit"))  # fmt: skip
    with KERNEL.load(spec("syscall", code), NAME) as loaded:
        for a, b in ((3, 5), (M64, M64), (1 << 40, 12345), (0x0123_4567_89AB_CDEF, 1 << 63)):
            result = loaded.run(Input(ctx=buffer([a, b, 0])))
            assert result.ctx is not None
            assert words(result.ctx) == [a, b, a * b & M64]
            assert (result.r0, result.r0_bits, result.packet) == (a * b & M32, 32, None)


def test_context_sizes_of_a_syscall_program() -> None:
    with KERNEL.load(spec("syscall", PASS), NAME) as loaded:
        for size in (1, 7, 8, 65535):
            assert loaded.run(Input(ctx=b"\x5a" * size)).ctx == b"\x5a" * size
        assert loaded.run(Input()).ctx is None
        assert loaded.run(Input(ctx=b"")).ctx == b""
        with pytest.raises(Unavailable) as caught:
            loaded.run(Input(ctx=bytes(65536)))
        assert str(caught.value) == (
            "BPF_PROG_TEST_RUN takes a context of at most 65535 bytes, and this one has 65536"
        )  # fmt: skip
    with KERNEL.load(spec("syscall", (insn("ldx64", 0, 1, 8), insn("exit"))), NAME) as loaded:
        with pytest.raises(Unavailable) as caught:
            loaded.run(Input(ctx=bytes(15)))
        assert str(caught.value) == "the program uses more of its context than the 15 bytes given (EINVAL)"


BAD_INPUTS = [
    ("xdp", Input(), "an xdp program runs on a packet, and the input has none"),
    ("xdp", Input(packet=FRAME, ctx=b"1"), "the context of an xdp program is given by its fields, not as bytes"),
    ("syscall", Input(packet=FRAME), "a syscall program runs on a context buffer, and the input has a packet"),
    ("syscall", Input(fields={"a": 1}), "a syscall program's context has no field 'a': give it as bytes"),
]


@pytest.mark.parametrize(("kind", "given", "message"), BAD_INPUTS)
def test_inputs_of_another_type(kind: str, given: Input, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run_once(*PASS, kind=kind, given=given)
    assert str(caught.value) == message


def test_everything_is_closed() -> None:
    two = [array("counts", 256), array("other", 4)]
    good = spec("xdp", (insn("lddw_map", 1, symbol="other"), *PASS), two)
    refused = spec("xdp", (insn("lddw_map", 1, symbol="other"), insn("exit")), two)
    unknown = spec("xdp", (insn("lddw_map", 1, symbol="nowhere"), *PASS), two)
    with nothing_left_open():
        for _ in range(100):
            KERNEL.load(good, NAME, {"counts": []}).close()
            with pytest.raises(VerifierReject):
                KERNEL.load(refused, NAME, {"counts": []})
            with pytest.raises(LoadError):
                KERNEL.load(unknown, NAME)
            with pytest.raises(UsageError):
                KERNEL.load(good, NAME, {"other": [(b"", b"")]})
            with KERNEL.load(good, NAME) as loaded, pytest.raises(Unavailable):
                loaded.run(Input(packet=b"short"))


def test_a_program_never_closed_is_closed_with_a_warning() -> None:
    with nothing_left_open():
        loaded: LoadedProgram | None = KERNEL.load(spec("xdp", counter(), [array("counts", 256)]), NAME)
        assert loaded is not None
        with pytest.warns(ResourceWarning, match=r"^bpf descriptor \d+ was not closed$"):
            del loaded


def test_a_closed_program_says_so() -> None:
    loaded = KERNEL.load(spec("xdp", counter(), [array("counts", 256)]), NAME)
    loaded.close()
    loaded.close()
    for use, what in (
        (lambda: loaded.run(Input(packet=FRAME)), "this program is closed; load it again to use it"),
        (lambda: loaded.read_map("counts"), "map counts is closed; install or load its object again to use it"),
    ):
        with pytest.raises(UsageError) as caught:
            use()
        assert str(caught.value) == what
