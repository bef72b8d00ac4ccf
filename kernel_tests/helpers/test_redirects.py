"""Where packets go: verdicts of the redirect helpers by flags and by what stands in maps, equal on all machines."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from bpfvm.core.machine import Entries, Input, Result
from bpfvm.emulator.machine import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.kernel import KERNEL
from bpfvm.kernel.maps.elements import possible_cpus
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec

ENGINES = ("interp", "portable", "kernel")
FRAME = bytes.fromhex("0200000000010200000000020800") + b"\x45" + bytes(range(49))
PACKETS = {"xdp": FRAME, "sched_cls": FRAME, "lwt_xmit": FRAME[14:]}
FLAGS = (*range(36), 0x100, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 1)
KEYS = (0, 1, 3, 4, 0xFFFF_FFFF, 1 << 32, 1 << 32 | 4)


def run(kind: str, text: str, maps: Mapping[str, MapSpec], given: Mapping[str, Entries]) -> dict[str, Result]:
    """One run on each machine, equal in r0; the emulator's two tiers in everything."""
    spec = ObjectSpec({"p": ProgramSpec("p", kind, kind, tuple(assemble(text)))}, dict(maps), license="GPL")
    results = {}
    for engine in ENGINES:
        backend = KERNEL if engine == "kernel" else Emulator(engine, cpus=possible_cpus())
        with closing(backend.load(spec, "p", given)) as loaded:
            results[engine] = loaded.run(Input(packet=PACKETS[kind]))
    assert results["interp"].fault is None, f"{text}\n{results['interp'].fault}"
    assert results["interp"].redirect == results["portable"].redirect
    assert results["interp"].r0 == results["portable"].r0
    assert results["interp"].r0 & 0xFFFF_FFFF == results["kernel"].r0, f"{kind} {given}\n{text}"
    return results


def word(number: int) -> bytes:
    return number.to_bytes(4, "little")


def test_redirects_to_maps() -> None:
    """The loopback interface stands in device maps, this machine's CPUs in cpu maps; nothing in socket maps."""
    filled: dict[str, Entries] = {
        "devmap": [(word(1), word(1))], "devmap_hash": [(word(1), word(1)), (word(1 << 31), word(1))],
        "cpumap": [(word(1), word(192))], "xskmap": [],
    }  # fmt: skip
    compared, fallbacks, sent = 0, 0, 0
    for kind, entries in filled.items():
        for given in ([], entries) if entries else ([],):
            for key in KEYS:
                for flags in FLAGS if key in (1, 3) else (0, 2, 8, 32):
                    text = f"r1 = map[ports]\nr2 = {key} ll\nr3 = {flags} ll\ncall 51\nexit\n"
                    maps = {"ports": MapSpec("ports", kind, 4, 4, 4)}
                    found = run("xdp", text, maps, {"ports": given})["interp"]
                    compared += 1
                    sent += found.r0 == 4
                    fallbacks += found.r0 != 4 and flags < 4 and found.r0 == flags
                    wanted = f"{kind} ports[{key & 0xFFFF_FFFF}]" if not flags & 8 else f"{kind} ports[*]"
                    wanted += " but the ingress" if flags & 24 == 24 else ""
                    assert found.redirect == (wanted if found.r0 == 4 else None)
    print(f"{compared} calls on 3 machines: {sent} redirected, {fallbacks} with the fallback")
    assert compared >= 600
    assert sent >= 60
    assert fallbacks >= 40


def test_lookups_in_targets() -> None:
    """What programs read of a target: the device, nothing for a socket that is not there."""
    compared = 0
    for kind in ("devmap", "devmap_hash", "xskmap"):
        for key in KEYS[:5]:
            text = f"*(u32 *)(r10 -4) = {key - (1 << 32) if key >> 31 else key}\n"
            text += "r1 = map[ports]\nr2 = r10\nr2 += -4\ncall 1\n"
            text += "r1 = r0\nr0 = 100\nif r1 == 0 goto out\nr0 = *(u32 *)(r1 +0)\nout: exit\n"
            entries: Entries = [] if kind == "xskmap" else [(word(1), word(1))]
            found = run("xdp", text, {"ports": MapSpec("ports", kind, 4, 4, 4)}, {"ports": entries})["interp"]
            assert found.r0 == (1 if entries and key == 1 else 100)
            compared += 1
    print(f"{compared} lookups on 3 machines")
    assert compared >= 15


def test_redirects_to_devices() -> None:
    texts = []
    for flags in FLAGS:
        two = f"r1 = 1\nr2 = {flags} ll\n"
        texts += [("xdp", f"{two}call 23\nexit\n"), ("sched_cls", f"{two}call 23\nexit\n")]
        texts += [("lwt_xmit", f"{two}call 23\nexit\n"), ("sched_cls", f"{two}call 155\nexit\n")]
        texts.append(("sched_cls", f"r1 = 1\nr2 = 0\nr3 = 0\nr4 = {flags} ll\ncall 152\nexit\n"))
        if flags > 1:
            texts.append(("sched_cls", f"r2 = 1\nr3 = {flags} ll\ncall 13\nexit\n"))
    for size in range(1, 33):
        zero = "".join(f"*(u64 *)(r10 -{8 * at}) = 0\n" for at in range(1, 5))
        texts.append(("sched_cls", f"{zero}r1 = 1\nr2 = r10\nr2 += -32\nr3 = {size}\nr4 = 0\ncall 152\nexit\n"))
    sent = {text: found["interp"].redirect for kind, text in texts if (found := run(kind, text, {}, {}))}
    print(f"{len(texts)} calls on 3 machines, {sum(one is not None for one in sent.values())} redirected")
    assert len(texts) >= 250
    assert sum(one is not None for one in sent.values()) >= 15


def test_a_target_counts_when_the_program_says_so() -> None:
    for verdict, wanted in ((4, "ifindex 1"), (2, None)):
        assert run("xdp", f"r1 = 1\nr2 = 0\ncall 23\nr0 = {verdict}\nexit\n", {}, {})["interp"].redirect == wanted
    two = "r6 = r1\nr2 = 7\nr3 = 1\ncall 13\nr1 = r6\nr2 = 8\nr3 = 0\ncall 13\nr1 = 9\nr2 = 0\ncall 23\nr0 = {}\nexit\n"
    for verdict, wanted in ((7, ", ifindex 9"), (0, "")):
        spec = ObjectSpec({"p": ProgramSpec("p", "sched_cls", "sched_cls", tuple(assemble(two.format(verdict))))}, {})
        for engine in ("interp", "portable"):  # copies would leave by a real interface
            with closing(Emulator(engine).load(spec, "p", {})) as loaded:
                found = loaded.run(Input(packet=FRAME)).redirect
            assert found == f"clone to ifindex 7 ingress, clone to ifindex 8{wanted}"
