"""Runs by BPF_PROG_TEST_RUN beyond the plain one: on a CPU, repeated, with live frames; of types without packets."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import bpfvm
from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.core.machine import Input
from bpfvm.isa.asm import assemble
from bpfvm.kernel import KERNEL, LoadedProgram
from bpfvm.kernel.host.sizes import possible_cpus
from bpfvm.kernel.runs.packets import RUNNERS
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from bpfvm.tables.progs import BY_NAME, PROGRAM_TYPES
from bpfvm.tables.sections import of_section
from kernel_tests.needs import needs

CPUS = sorted(os.sched_getaffinity(0))
PACKETS = Path(__file__).parents[2] / "tests" / "packets"
FRAME = bytes(12) + b"\x08\x00" + bytes((0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17)) + bytes(36)
COUNT = "r1 = map[count]+0\nr2 = 1\nlock *(u64 *)(r1 +0) += r2\nr0 = 2\nexit"
COUNT_HERE = """
*(u32 *)(r10 -4) = 0
r2 = r10
r2 += -4
r1 = map[count]
call 1
if r0 == 0 goto out
r1 = *(u64 *)(r0 +0)
r1 += 1
*(u64 *)(r0 +0) = r1
call 8
exit
out: r0 = 77
exit
"""
NOT_RUN = {
    "tracing": "BPF_PROG_TEST_RUN calls functions of the kernel's own tests, which a program sees that is attached",
}
"""Types that the kernel has a test run for, and the engine none."""


def spec(section: str, text: str, kind: str = "array") -> ObjectSpec:
    program = ProgramSpec("p", section, of_section(section).program_type, tuple(assemble(text)))
    return ObjectSpec({"p": program}, {"count": MapSpec("count", kind, 4, 8, 1)} if "map[count]" in text else {})


def numbers(loaded: LoadedProgram) -> list[int]:
    """What the map `count` holds; of a per-CPU map for each CPU."""
    ((_, value),) = loaded.read_map("count")
    return [int.from_bytes(one, sys.byteorder) for one in (value if isinstance(value, list) else [value])]


@pytest.fixture
def affinity() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    yield
    assert os.sched_getaffinity(0) == before, "a run left the process elsewhere"
    os.sched_setaffinity(0, before)


def test_every_type_that_the_kernel_runs_is_run() -> None:
    runs = {"xdp", "syscall", *RUNNERS}
    assert {one.name for one in PROGRAM_TYPES if one.test_run} == runs | set(NOT_RUN)
    assert all(BY_NAME[name].test_run for name in runs)


ARGUMENTS = "".join(f"r2 = *(u64 *)(r1 +{8 * at})\nr2 *= {2 * at + 3}\nr0 += r2\n" for at in range(12))


def test_raw_tracepoints_get_their_arguments() -> None:
    object_, source = spec("raw_tp/sys_enter", f"r0 = 0\n{ARGUMENTS}exit"), random.Random("raw")
    given = [Input(fields={f"args[{at}]": source.getrandbits(64) for at in range(source.randrange(13))})
             for _ in range(200)]  # fmt: skip
    found = []
    for name in ("kernel", "interp", "portable"):
        with ExitStack() as opened:
            loaded = engine(name).load(object_, "p", {})
            opened.callback(loaded.close)
            found.append([loaded.run(one).r0 & 0xFFFF_FFFF for one in given])
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) >= 150
    print(f"{len(given)} runs of a raw tracepoint compared")


HOOKS = "r2 = *(u64 *)(r1 +0)\nr3 = *(u8 *)(r2 +0)\nr4 = *(u8 *)(r2 +1)\n"


@pytest.mark.needs("program/netfilter")
@pytest.mark.parametrize(
    ("fields", "hook", "family"), [({}, 3, 2), ({"hook": 1, "pf": 2}, 1, 2), ({"hook": 4, "pf": 10}, 4, 10)]
)
def test_netfilter_hooks(fields: dict[str, int], hook: int, family: int) -> None:
    """Verdicts by what the hook's state says; without fields it is the local output of the packet's family."""
    text = f"{HOOKS}r0 = 0\nif r3 != {hook} goto out\nif r4 != {family} goto out\nr0 = 1\nout: exit"
    packet = FRAME[14:] if family == 2 else b"\x60" + bytes(5) + b"\x3b\x40" + bytes(32)
    with KERNEL.load(spec("netfilter", text), "p", {}) as loaded:
        assert loaded.run(Input(packet=packet, fields=fields)).r0 == 1
        result, mean = loaded.repeat(Input(packet=packet, fields=fields), 100)
        assert (result.r0, result.packet, mean > 0) == (1, None, True)
        assert loaded.run(Input(packet=packet, fields={"hook": (hook + 1) % 5, "pf": family})).r0 == 0
        with pytest.raises(UsageError, match="nf_hook_state has no field 'in' that can be given; it has hook, pf"):
            loaded.run(Input(packet=packet, fields={"in": 1}))
        with pytest.raises(Unavailable, match=r"of this netfilter program, hook = 9: Invalid argument \(EINVAL\)"):
            loaded.run(Input(packet=packet, fields={"hook": 9}))


# CPUs


@pytest.mark.parametrize("kind", ["percpu_array", "array"])
@pytest.mark.usefixtures("affinity")
def test_a_run_is_on_the_cpu_of_its_input(kind: str) -> None:
    """Wherever the process is, and however many CPUs it may use."""
    object_ = spec("xdp", COUNT_HERE, kind)
    for here in ({CPUS[0]}, {CPUS[-1]}, set(CPUS)):
        os.sched_setaffinity(0, here)
        try:
            with KERNEL.load(object_, "p", {}) as loaded:
                for times, cpu in enumerate((*CPUS, *CPUS, CPUS[0]), 1):
                    assert loaded.run(Input(packet=FRAME, cpu=cpu)).r0 == cpu
                    found = numbers(loaded)
                    assert sum(found) == times
                    assert len(found) == (possible_cpus() if kind == "percpu_array" else 1)
                assert os.sched_getaffinity(0) == here
        finally:
            os.sched_setaffinity(0, set(CPUS))


def test_a_cpu_that_is_not_there_is_named() -> None:
    with KERNEL.load(spec("xdp", COUNT), "p", {}) as loaded:
        for cpu in (possible_cpus() + 5000, -1, 1 << 40):
            with pytest.raises(Unavailable, match=rf"cpu = {cpu}: this process may not run there .*; it may on 0"):
                loaded.run(Input(packet=FRAME, cpu=cpu))
        assert loaded.read_map("count") == [(bytes(4), bytes(8))]


@pytest.mark.usefixtures("affinity")
def test_objects_with_values_for_each_cpu_are_checked_on_every_machine() -> None:
    """Emulators have one CPU unless they are told, the kernel as many as there are."""
    compared = 0
    for path in sorted(PACKETS.glob("*.o")):
        loaded = bpfvm.load(str(path))
        if not any("percpu" in one.type for one in loaded.maps.values()):
            continue
        for program in loaded.programs.values():
            assert {"interp", "portable", "kernel"} <= set(program.check(FRAME).engines), (path.stem, program.name)
            compared += 1
    print(f"{compared} programs with per-CPU maps checked")
    assert compared >= 12


def test_contents_for_fewer_cpus() -> None:
    object_ = spec("xdp", COUNT_HERE, "percpu_array")
    with KERNEL.load(object_, "p", {"count": [(bytes(4), [(5).to_bytes(8, sys.byteorder)])]}) as loaded:
        loaded.run(Input(packet=FRAME))
        assert numbers(loaded) == [6] + [0] * (possible_cpus() - 1)
        for wrong in ([], [bytes(8)] * (possible_cpus() + 1)):
            with pytest.raises(
                UsageError, match=f"map count: {len(wrong)} values, and this kernel has {possible_cpus()}"
            ):
                loaded.write_map("count", [(bytes(4), wrong)])


# Repeated


def test_repeated_runs_are_timed() -> None:
    with KERNEL.load(spec("xdp", COUNT), "p", {}) as loaded:
        result, mean = loaded.repeat(Input(packet=FRAME), 1000)
        assert (result.r0, result.packet) == (2, FRAME)
        assert 0 < mean < 100_000
        assert numbers(loaded) == [1000]
    for section in ("syscall", "raw_tp/sys_enter"):
        with KERNEL.load(spec(section, "r0 = 1\nexit"), "p", {}) as loaded:
            assert loaded.repeat(Input(), 1)[0].r0 == 1
            kind = of_section(section).program_type
            with pytest.raises(Unavailable, match=rf"of type {kind} once a call: call run\(\) 2 times"):
                loaded.repeat(Input(), 2)


@pytest.mark.parametrize("times", [0, -1, 1 << 31])
def test_counts_of_runs_that_cannot_be(times: int) -> None:
    with KERNEL.load(spec("xdp", COUNT), "p", {}) as loaded, pytest.raises(UsageError, match=f"^{times} runs in one"):
        loaded.repeat(Input(packet=FRAME), times)


def test_a_signal_ends_many_runs() -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        with KERNEL.load(spec("xdp", COUNT), "p", {}) as loaded:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Unavailable, match=r"a signal came before the last of 2147483647 runs"):
                loaded.repeat(Input(packet=FRAME), (1 << 31) - 1)
            assert loaded.run(Input(packet=FRAME)).r0 == 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# Live frames


def own_network() -> None:
    needs("xdp_live_frames")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs CAP_SYS_ADMIN: it makes network namespaces")


def namespaces() -> set[str]:
    """Network namespaces of this process's threads."""
    found = set()
    for one in os.listdir("/proc/self/task"):
        with suppress(OSError):  # ended by now
            found.add(os.readlink(f"/proc/self/task/{one}/ns/net"))
    return found


def test_live_frames_stay_in_a_namespace_of_their_own() -> None:
    own_network()
    before, threads = namespaces(), threading.active_count()
    with KERNEL.load(spec("xdp", COUNT), "p", {}) as loaded:
        assert loaded.live(Input(packet=FRAME), 1000).packet is None
        loaded.live(Input(packet=FRAME), 77, batch=7)
        assert numbers(loaded) == [1077]
    limit = time.monotonic() + 5  # the kernel's thread ends a little later than Python's
    while namespaces() != before and time.monotonic() < limit:
        time.sleep(0.01)
    assert (namespaces(), threading.active_count()) == (before, threads)


DELIVERED = """
import socket, struct, subprocess
from bpfvm.core.machine import Input
from bpfvm.kernel import KERNEL
from kernel_tests.runs.test_runs import COUNT, spec

for command in ("link set lo up", "address add 10.0.0.1/32 dev lo"):
    subprocess.run(["ip", *command.split()], check=True)
taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
taken.bind(("10.0.0.1", 5000))
taken.settimeout(5)
head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 32, 1, 0, 64, 17, 0, bytes((10, 9, 9, 9)), bytes((10, 0, 0, 1)))
total = sum(struct.unpack(">10H", head))
checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
head = head[:10] + checksum.to_bytes(2, "big") + head[12:]
frame = bytes(12) + b"\\x08\\x00" + head + struct.pack(">HHHH", 4000, 5000, 12, 0) + b"live"
with KERNEL.load(spec("xdp", COUNT), "p", {}) as loaded:
    loaded.live(Input(packet=frame), 100, network="/proc/self/ns/net")
    print([taken.recv(99) for _ in range(100)] == [b"live"] * 100)
"""


def test_live_frames_go_up_the_stack_of_the_namespace_that_is_named() -> None:
    own_network()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["unshare", "-n", sys.executable, "-c", DELIVERED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


def test_live_frames_that_cannot_be() -> None:
    own_network()
    said = "live frames go through xdp, and p is a sched_cls program"
    with KERNEL.load(spec("tc", "r0 = 0\nexit"), "p", {}) as loaded, pytest.raises(UsageError, match=said):
        loaded.live(Input(packet=FRAME), 1)
    with KERNEL.load(spec("xdp", COUNT), "p", {}) as loaded:
        with pytest.raises(UsageError, match="network '/none/of/it': No such file or directory; `ip netns add NAME`"):
            loaded.live(Input(packet=FRAME), 1, network="/none/of/it")
        with pytest.raises(UsageError, match=r"network '/proc/self/status' is no network namespace"):
            loaded.live(Input(packet=FRAME), 1, network="/proc/self/status")
        with pytest.raises(UsageError, match="batch = 257: 1 to 256 frames are in flight"):
            loaded.live(Input(packet=FRAME), 1, batch=257)
        with pytest.raises(Unavailable, match=r"ingress_ifindex = 99.*no interface of that number \(ENODEV\)"):
            loaded.live(Input(packet=FRAME, fields={"ingress_ifindex": 99}), 1)
        with pytest.raises(Unavailable, match=r"this kernel sends no live frames .* 5 bytes"):
            loaded.live(Input(packet=bytes(5)), 1)
        with pytest.raises(UsageError, match="an xdp program runs on a packet, and the input has none"):
            loaded.live(Input(), 1)
        assert loaded.read_map("count") == [(bytes(4), bytes(8))]
