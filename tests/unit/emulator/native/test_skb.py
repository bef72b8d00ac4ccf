"""Classifiers and socket filters over captures in compiled code: what comes out is what packet by packet comes out."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from bpfvm.emulator.native.captures import batch
from bpfvm.emulator.native.code.engine import missing
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.writer.object import write_object
from bpfvm.tables.ctx.packets import SK_BUFF
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.places import covers, expand
from tests.unit.emulator.native import captures
from tests.unit.emulator.native.captures import Captured

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

TYPES = [one for one in batch.TYPES if one != "xdp"]
SECTIONS = {"socket_filter": "socket", "sched_cls": "tc", "sched_act": "action"}
FOLD = "r9 *= 31\nr9 += r0\n"
WORD = "r1 = r6\nr2 = {}\nr3 = r10\nr3 += -8\nr4 = {}\ncall {}\n"
LOAD_BYTES = HELPERS["skb_load_bytes"].id


def program(path: Path, kind: str, text: str, maps: dict[str, MapSpec] | None = None) -> str:
    """An object of one program: `text` with the context in r6, what it adds up in r9."""
    insns = assemble(f"r6 = r1\nr9 = 1\n{text}\nr0 = r9\nexit\n")
    one = ProgramSpec("count", SECTIONS[kind], kind, tuple(insns))
    path.write_bytes(write_object(ObjectSpec({"count": one}, maps or {}, license="GPL")))
    return str(path)


def capture(path: Path, count: int = 700) -> str:
    """Frames of all lengths, to all kinds of addresses, of all kinds of protocols."""
    source, found = random.Random(3), []
    for number in range(count):
        goal = source.choice((bytes(6), b"\xff" * 6, b"\x01\x00\x5e\x00\x00\x01", b"\x02\x00\x00\x00\x00\x00"))
        kind = source.choice((0x0800, 0x86DD, 0x0806, 0x8100, 0x05FF, 0x0030, 0x0600))
        frame = goal + bytes(6) + kind.to_bytes(2, "big") + source.choice((b"\xff\xff", b"\xff\x00", b"\x45\x00"))
        frame += source.randbytes(source.randrange(50))
        found.append((1000 * number, frame[: number % 20] if number % 3 == 0 else frame))
    return captures.capture(path, found)


def compared(capsys: Captured, monkeypatch: pytest.MonkeyPatch, *words: str, loop: bool = True) -> dict[str, Any]:
    """What native and portable say of it, which is the same. loop: whether it is compiled code that counts."""
    slices, run = [], batch.Batch.run

    def noted(self: batch.Batch, *given: Any) -> Any:
        for one in run(self, *given):
            slices.append(one)
            yield one

    monkeypatch.setattr(batch.Batch, "run", noted)
    found = []
    for engine in ("native", "portable"):
        status, document, err = captures.document(capsys, *words, "--engine", engine)
        for name in ("seconds", "engine", "warnings"):
            document.pop(name)
        found.append((status, document, err))
    assert found[0] == found[1]
    assert sum(one.packets for one in slices) == (found[0][1]["packets"] if loop else 0)
    return found[0][1]


def fields(kind: str, write: bool) -> list[tuple[int, int]]:
    """Places of the context's numbers that programs of a type may load or store."""
    found = []
    for one in SK_BUFF.fields:
        who = one.writers if write else one.readers
        if one.pointer is None and who and covers(expand(who, SK_BUFF.programs), kind, None):
            found += [(one.offset + index * one.size, one.size) for index in range(one.count)]
    return found


@pytest.mark.parametrize("cpus", ["1", "3"])
@pytest.mark.parametrize("kind", TYPES)
def test_all_that_a_context_says(
    kind: str, cpus: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """A packet's stores in the context are gone when the next one comes."""
    text = "".join(f"r0 = *(u{8 * size} *)(r6 +{at})\n{FOLD}" for at, size in fields(kind, write=False))
    text += "r8 = r9\nr8 &= 1\nif r8 == 0 goto done\n"
    text += "".join(f"*(u{8 * size} *)(r6 +{at}) = r9\n" for at, size in fields(kind, write=True))
    text += "done: r9 = r9\n"
    words = (program(tmp_path / "a.o", kind, text), "--packet", capture(tmp_path / "a.pcap"), "--cpus", cpus)
    assert len(compared(capsys, monkeypatch, *words)["actions"]) > 200
    compared(capsys, monkeypatch, *words, "--ctx", "mark=7", "--ctx", "priority=3")
    compared(capsys, monkeypatch, *words, "--checked-sample", "40")


@pytest.mark.parametrize("given", ["pkt_type=1", "protocol=8"])
def test_what_follows_from_the_packet_may_be_given(
    given: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    text = f"r0 = *(u32 *)(r6 +4)\n{FOLD}r0 = *(u32 *)(r6 +16)\n{FOLD}"
    path = program(tmp_path / "a.o", "socket_filter", text)
    words = (path, "--packet", capture(tmp_path / "a.pcap", 50), "--ctx", given)
    compared(capsys, monkeypatch, *words, loop=False)


@pytest.mark.parametrize("kind", TYPES)
def test_bytes_of_packets(
    kind: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """By helper, at places that there are and that there are not."""
    text = "r8 = *(u32 *)(r6 +0)\n"
    for at, size in ((0, 6), (12, 2), ("r8", 1), (23, 1), (60, 8), (0x7FFF_FFFF, 4), ("-1", 4)):
        text += f"*(u64 *)(r10 -8) = 5\n{WORD.format(at, size, LOAD_BYTES)}{FOLD}r0 = *(u64 *)(r10 -8)\n{FOLD}"
    words = (program(tmp_path / "a.o", kind, text), "--packet", capture(tmp_path / "a.pcap"))
    assert len(compared(capsys, monkeypatch, *words)["actions"]) > 200


PLACES = [0, 12, 14, 23, 59, 1 << 30, -0x10_0000, -0x10_0000 + 9, -0x20_0000 + 12, -0x1000, -0x30_0000]


@pytest.mark.parametrize("place", PLACES)
def test_legacy_loads(place: int, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the packet's start, or its headers, by a number or behind one; a miss is the end."""
    capture(tmp_path / "a.pcap", 200)
    for size in ("u8", "u16", "u32"):
        direct = f"r0 = *({size} *)skb[{place}]\n{FOLD}"
        indirect = f"r8 = *(u32 *)(r6 +0)\nr8 &= 7\nr0 = *({size} *)skb[r8 + {place}]\n{FOLD}"
        for number, text in enumerate((direct, indirect)):
            path = program(tmp_path / f"{size}{number}.o", "socket_filter", text)
            compared(capsys, monkeypatch, path, "--packet", str(tmp_path / "a.pcap"))


def test_all_results_are_counted(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than there are places for, and -1."""
    path = program(tmp_path / "a.o", "sched_cls", "r9 = *(u32 *)(r6 +0)\ncall 5\nr0 /= 1000\nr9 += r0\nr9 -= 60\n")
    found = compared(capsys, monkeypatch, path, "--packet", capture(tmp_path / "a.pcap", 6000))
    assert len(found["actions"]) > 3000


def test_chance(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each packet has its own random numbers, whatever was drawn before; packets of one time have the same."""
    draw = f"call {HELPERS['get_prandom_u32'].id}\n{FOLD}"
    text = f"r8 = *(u32 *)(r6 +0)\n{draw}call 5\nr8 &= 3\nif r8 == 0 goto done\n{draw}done: r9 &= 65535\n"
    path = program(tmp_path / "a.o", "sched_cls", text)
    times = [(1000 * (number // 3), bytes(number % 70)) for number in range(600)]
    words = (path, "--packet", captures.capture(tmp_path / "a.pcap", times), "--seed", "7")
    assert 200 < len(compared(capsys, monkeypatch, *words)["actions"]) < 600


@pytest.mark.parametrize("cpus", ["2", "3"])
def test_threads(cpus: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"r8 = 1\nr0 = *(u8 *)skb[r8 + {-0x20_0000}]\n{FOLD}r0 = *(u16 *)skb[12]\n{FOLD}"
    text += f"r0 = *(u32 *)(r6 +4)\n{FOLD}{WORD.format(6, 4, LOAD_BYTES)}{FOLD}"
    words = (program(tmp_path / "a.o", "socket_filter", text), "--packet", capture(tmp_path / "a.pcap", 3000))
    _, one, _ = captures.document(capsys, *words, "--cpus", cpus, "--engine", "portable")
    _, many, _ = captures.document(capsys, *words, "--cpus", cpus, "--engine", "native", "--threads")
    for name in ("packets", "bytes", "actions", "insns"):
        assert many[name] == one[name], name


SOCKET = "r1 = *(u64 *)(r6 +168)\nif r1 == 0 goto no\nr9 = *(u32 *)(r1 +4)\nno: r9 = r9\n"


@pytest.mark.parametrize("text", [SOCKET, f"r1 = r6\nr2 = 0\nr3 = 0\ncall {HELPERS['skb_change_tail'].id}\n"])
def test_what_compiled_code_does_not_know(
    text: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Packets of programs that look at the socket, or that ask for more, are run one by one."""
    words = (program(tmp_path / "a.o", "sched_cls", text), "--packet", capture(tmp_path / "a.pcap", 50))
    compared(capsys, monkeypatch, *words, loop=False)
