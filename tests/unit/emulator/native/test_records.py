"""Records that programs reserve and give back: what compiled code makes of them is what the reference tier does.

Named cases of pointers that are none any more, and random programs. Where the reference tier faults, mode `checked`
does at the same place.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.fuzz.case import Case, make
from bpfvm.fuzz.differ import compare
from bpfvm.fuzz.unverified import SAFE, machines
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

RING, OTHER = MapSpec("ring", "ringbuf", 0, 0, 4096), MapSpec("other", "ringbuf", 0, 0, 4096)
PACKETS = [bytes([number, 3 * number & 255]) * 32 for number in range(6)]
SUBMIT, DISCARD = 132, 133


def reserve(size: int, none: str = "out", ring: str = "ring", flags: int = 0) -> str:
    return f"r1 = map[{ring}]\n r2 = {size}\n r3 = {flags}\n call 131\n if r0 == 0 goto {none}\n"


def give_back(register: str, helper: int = SUBMIT) -> str:
    return f"r1 = {register}\n r2 = 0\n call {helper}\n"


END = "r0 = 2\n out: exit\n"
NAMED: Mapping[str, tuple[str, str | None]] = {  # program, words of the reference tier's fault
    "filled": (reserve(16) + "r6 = r0\n*(u64 *)(r6 +0) = 7\n*(u32 *)(r6 +8) = 8\nlock *(u32 *)(r6 +8) += r6\n"
               + give_back("r6") + END, None),
    "dropped": (reserve(16) + "*(u64 *)(r0 +8) = 7\n" + give_back("r0", DISCARD) + END, None),
    "two": (reserve(16) + "r6 = r0\n" + reserve(24, "one", "other") + "r7 = r0\n*(u64 *)(r7 +16) = 1\n"
            + give_back("r6") + "*(u64 *)(r7 +8) = 2\n" + give_back("r7") + END
            + "one: " + give_back("r6", DISCARD) + "r0 = 1\n exit", None),
    "spilled": (reserve(8) + "*(u64 *)(r10 -8) = r0\n r6 = *(u64 *)(r10 -8)\n*(u64 *)(r6 +0) = 9\n"
                + give_back("r6") + END, None),
    "kept": (reserve(8) + "r6 = r0\n" + END, "still owns a record of 8 bytes"),
    "kept both": (reserve(8) + "r6 = r0\n" + reserve(16, ring="other") + END, "still owns"),
    "used behind its end": (reserve(8) + "r6 = r0\n" + give_back("r6") + "*(u64 *)(r6 +0) = 1\n" + END, "submitted"),
    "another copy": (reserve(8) + "r6 = r0\n r7 = r0\n" + give_back("r6", DISCARD) + "r1 = *(u8 *)(r7 +1)\n" + END,
                     "discarded"),
    "a spilled copy": (reserve(8) + "*(u64 *)(r10 -8) = r0\n" + give_back("r0")
                       + "r6 = *(u64 *)(r10 -8)\n*(u8 *)(r6 +0) = 1\n" + END, "submitted"),
    "twice": (reserve(8) + "r6 = r0\n" + give_back("r6") + give_back("r6") + END, "must be the start of a record"),
    "moved": (reserve(16) + "r6 = r0\n r6 += 8\n" + give_back("r6") + END, "must be the start of a record"),
    "moved and back": (reserve(16) + "r6 = r0\n r6 += 8\n*(u64 *)(r6 +0) = 1\n r6 += -8\n" + give_back("r6") + END,
                       None),
    "behind it": (reserve(16) + "*(u64 *)(r0 +9) = 1\n" + give_back("r0") + END, "9"),
    "before it": (reserve(16) + "r6 = *(u8 *)(r0 -1)\n" + give_back("r0") + END, "-1"),
    "a place of the packet's": (
        "r9 = *(u32 *)(r1 +0)\n r8 = *(u32 *)(r1 +4)\n r2 = r9\n r2 += 8\n if r2 > r8 goto none\n r9 = *(u8 *)(r9 +0)\n"
        + reserve(4) + "r6 = r0\n r7 = r0\n r6 += r9\n*(u8 *)(r6 +0) = 1\n" + give_back("r7") + END
        + "none: r0 = 1\n exit", "4"),
    "not tested": ("r1 = map[ring]\n r2 = 8\n r3 = 0\n call 131\n*(u64 *)(r0 +0) = 1\n" + give_back("r0") + END, None),
    "tested late": ("r1 = map[ring]\n r2 = 8\n r3 = 0\n call 131\n r6 = r0\n if r0 != 0 goto some\n r0 = 1\n exit\n"
                    "some: *(u64 *)(r6 +0) = 1\n" + give_back("r6") + END, None),
    "given back by a function": (reserve(8) + "r6 = r0\n r1 = r0\n call give\n*(u64 *)(r6 +0) = 1\n" + END
                                 + "give: r2 = 0\n call 132\n r0 = 0\n exit", "submitted"),
    "filled by a function": (reserve(8) + "r6 = r0\n r1 = r0\n call fill\n" + give_back("r6") + END
                             + "fill: *(u64 *)(r1 +0) = 3\n r0 = 0\n exit", None),
    "either of two": (
        "r9 = *(u32 *)(r1 +0)\n r8 = *(u32 *)(r1 +4)\n r2 = r9\n r2 += 8\n if r2 > r8 goto none\n r9 = *(u8 *)(r9 +0)\n"
        "if r9 > 2 goto wide\n" + reserve(8) + "goto on\n wide: " + reserve(16) + "on: *(u64 *)(r0 +8) = 1\n"
        + give_back("r0") + END + "none: r0 = 1\n exit", "8"),
    "flags": (reserve(8, flags=1) + give_back("r0") + END, None),
    "larger than the ring": (reserve(5000) + give_back("r0") + END, None),
    "read by a helper": (reserve(8) + "r6 = r0\n*(u64 *)(r6 +0) = 7\n r1 = map[other]\n r2 = r6\n r3 = 8\n r4 = 0\n"
                         "call 130\n" + give_back("r6") + END, None),
}  # fmt: skip


def case(name: str, text: str) -> Case:
    return make(name, "xdp", assemble(text), [Input(packet=one) for one in PACKETS], [RING, OTHER])


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("optimised", [False, True], ids=["quick", "optimised"])
def test_named(name: str, optimised: bool) -> None:
    text, words = NAMED[name]
    one = case(name, text)
    with Emulator("interp").load(one.spec, "fuzz", {}) as loaded:
        faults = [result.fault.message for given in one.inputs if (result := loaded.run(given)).fault is not None]
    if words is None:
        assert name == "not tested" or not faults
    else:
        assert faults
        assert words in faults[0]
    verdict = compare(machines(optimised=optimised), one, contained=(SAFE,))
    assert verdict.difference is None, verdict.difference


def test_python_is_asked_for_nothing_that_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def noted(tier: Runtime, name: str) -> None:
        right = getattr(tier, name)

        def call(*words: object) -> object:
            asked.append(name)
            return right(*words)

        monkeypatch.setattr(tier, name, call)

    for name in ("filled", "dropped", "spilled", "moved and back"):
        one = case(name, NAMED[name][0])
        for safe in (False, True):
            with Emulator("native", safe=safe).load(one.spec, "fuzz", {}) as loaded:
                assert isinstance(loaded.tier, Runtime)
                for callback in ("help", "load", "store", "atomic"):
                    noted(loaded.tier, callback)
                for given in one.inputs:
                    assert loaded.run(given).fault is None
    assert asked == []


class Writer:
    """A random program of records in registers r6 to r9 and two stack slots."""

    def __init__(self, source: random.Random) -> None:
        self.source, self.labels = source, 0

    def register(self) -> str:
        return f"r{self.source.randrange(6, 10)}"

    def step(self) -> str:
        source, size = self.source, self.source.choice((8, 12, 16, 40, 900))
        match source.choices(range(9), (1, 1, 1, 1, 1, 3, 3, 0.3, 0.5))[0]:
            case 0 | 1 | 2:
                self.labels += 1
                found = self.register()
                ring = source.choice(("ring", "ring", "other"))
                none = f"none{self.labels}"
                return reserve(size, none, ring) + f"{found} = r0\n*(u64 *)({found} +0) = {size}\n{none}: r5 = 0\n"
            case 3 | 4:
                one = self.register()
                self.labels += 1
                helper = source.choice((SUBMIT, SUBMIT, DISCARD))
                on = f"on{self.labels}"
                return f"if {one} == 0 goto {on}\n" + give_back(one, helper) + f"{one} = 0\n{on}: r5 = 0\n"
            case 5 | 6:
                one, most = self.register(), source.choice((8, 8, 8, 12, 16, 900))
                self.labels += 1
                on, place = f"on{self.labels}", source.randrange(0, most, 4)
                access = source.choice((f"*(u32 *)({one} +{place}) = {place}", f"r5 = *(u16 *)({one} +{place})"))
                return f"if {one} == 0 goto {on}\n{access}\n{on}: r5 = 0\n"
            case 7:
                return f"{self.register()} = {self.register()}\n"
        slot = source.choice((-8, -16))
        one = self.register()
        return source.choice((f"*(u64 *)(r10 {slot}) = {one}\n", f"{one} = *(u64 *)(r10 {slot})\n"))

    def text(self) -> str:
        start = "".join(f"r{n} = 0\n" for n in range(6, 10)) + "*(u64 *)(r10 -8) = 0\n*(u64 *)(r10 -16) = 0\n"
        ends = "".join(f"if r{n} == 0 goto e{n}\n" + give_back(f"r{n}") + f"e{n}: r5 = 0\n" for n in range(6, 10))
        return start + "".join(self.step() for _ in range(self.source.randrange(3, 14))) + ends + "r0 = 2\n exit"


@pytest.mark.parametrize("seed", range(4))
def test_random_programs(seed: int) -> None:
    found, faults = machines(), 0
    for number in range(60):
        one = case(f"{seed}:{number}", Writer(random.Random(f"records {seed} {number}")).text())
        verdict = compare([*found, Emulator("portable")], one, contained=(SAFE,))
        assert verdict.difference is None, verdict.difference
        with Emulator("interp").load(one.spec, "fuzz", {}) as loaded:
            faults += any(loaded.run(given).fault is not None for given in one.inputs)
    print(f"{faults} of 60 fault")
    assert 10 <= faults <= 50
