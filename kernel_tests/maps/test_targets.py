"""User space on maps of devices, CPUs and sockets, in random order: answers and contents are the kernel's."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from bpfvm.emulator.system import System
from bpfvm.kernel.maps.calls import Calls
from bpfvm.kernel.maps.elements import possible_cpus
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.obj.model import MapSpec, ObjectSpec

SO_COOKIE = 57
ROUNDS, CALLS = 60, 60
ENTRIES = (1, 4, 5)
LIMIT = 1 << 31

# type -> sizes of its values
SIZES = {
    "devmap": (4, 8), "devmap_hash": (4, 8), "cpumap": (4, 8), "xskmap": (4,), "sockmap": (4, 8), "sockhash": (4, 8),
    "reuseport_sockarray": (4, 8), "cgroup_array": (4,), "perf_event_array": (4,), "stack_trace": (16,),
}  # fmt: skip


@contextmanager
def sockets() -> Iterator[dict[str, list[int]]]:
    """Descriptors that the kernel takes: for sockmaps connected ones, for reuseport arrays bound ones."""
    with ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        connected = [opened.enter_context(socket.create_connection(server.getsockname())) for _ in range(3)]
        bound = []
        for _ in range(3):
            one = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(("127.0.0.1", 0))
            bound.append(one)
        cookies = {one.fileno(): one.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8) for one in (*connected, *bound)}
        found = {"connected": [one.fileno() for one in connected], "bound": [one.fileno() for one in bound]}
        COOKIES.clear()
        COOKIES.update({cookie: number for number, cookie in cookies.items()})
        opened.enter_context(no_socket_at_0())
        yield found


@contextmanager
def no_socket_at_0() -> Iterator[None]:
    """Descriptor 0, which stands for nothing in values, is a file whatever the tests' own input is."""
    with ExitStack() as opened:
        nothing = opened.enter_context(open(os.devnull)).fileno()
        if nothing != 0:
            before = os.dup(0)
            opened.callback(os.close, before)
            opened.callback(os.dup2, before, 0)
            os.dup2(nothing, 0)
        yield


COOKIES: dict[bytes, int] = {}


def values(kind: str, size: int, numbers: Mapping[str, list[int]]) -> list[bytes]:
    """Good and bad ones. A program's descriptor stands in the second half of some."""
    if kind.startswith("devmap"):
        firsts = [1, 1, 1, 0, LIMIT, (1 << 32) - 1]
    elif kind == "cpumap":
        firsts = [64, 192, 0, 16384, 16385, (1 << 32) - 1]
    elif kind in ("sockmap", "sockhash"):
        return [number.to_bytes(size, "little") for number in (*numbers["connected"] * 2, 0)]
    elif kind == "reuseport_sockarray":
        return [
            number.to_bytes(size, "little") for number in (*numbers["bound"] * 2, *([1 << 33] if size == 8 else []))
        ]
    else:
        return [bytes(size)]
    if size == 4:
        return [first.to_bytes(4, "little") for first in firsts]
    seconds = (0, 0, 0, (1 << 32) - 1, LIMIT, 1 << 20)
    return [first.to_bytes(4, "little") + second.to_bytes(4, "little") for first in firsts for second in seconds]


def cookie(answer: object, kind: str) -> object:
    """What the emulator says of a socket is the number that was stored: the kernel's cookie of it."""
    if "sock" in kind and isinstance(answer, bytes) and len(answer) == 8:
        return COOKIES[answer].to_bytes(8, "little")
    return answer


def test_user_space() -> None:
    compared, stored = 0, 0
    with sockets() as numbers:
        for kind, sizes in SIZES.items():
            for size in sizes:
                for seed in range(ROUNDS):
                    done, good = _compare(kind, size, seed, numbers)
                    compared, stored = compared + done, stored + good
    print(f"{compared} calls on {len(SIZES)} map types, {stored} entries stored")
    assert compared >= 55_000
    assert stored >= 3_000


def test_contents_by_index() -> None:
    """Every type can be read as a whole, the largest index last, also where values have no room for a cookie."""
    compared = 0
    with sockets() as numbers:
        for kind, sizes in SIZES.items():
            for size in sizes:
                spec, given = MapSpec("m", kind, 4, size, 300 if kind != "cpumap" else 2), values(kind, size, numbers)
                keys = [index.to_bytes(4, "little") for index in ((299, 2, 256, 1) if kind != "cpumap" else (1, 0))]
                system, one = System(ObjectSpec({}, {"m": spec}), ["m"], cpus=possible_cpus()), KernelMap(spec)
                mine, theirs = system.maps["m"], Calls(one)
                for key, value in zip(keys, given, strict=False):
                    assert mine.sys_update(key, value) == theirs.sys_update(key, value)
                seen = [(key, cookie(value, kind)) for key, value in one.read()]
                for key in keys:
                    theirs.sys_delete(key)
                one.close()
                assert mine.entries() == seen, kind
                compared += 1
                system.close()
    print(f"contents of {compared} maps")
    assert compared >= 16


def _compare(kind: str, size: int, seed: int, numbers: Mapping[str, list[int]]) -> tuple[int, int]:
    chance = random.Random(seed)
    entries = chance.choice(ENTRIES) if kind != "cpumap" else possible_cpus() + chance.choice((0, 2))
    spec = MapSpec("m", kind, 4, size, entries)
    system = System(ObjectSpec({}, {"m": spec}), ["m"], cpus=possible_cpus())
    mine, one, stored = system.maps["m"], KernelMap(spec), 0
    theirs, given = Calls(one), values(kind, size, numbers)
    try:
        for _ in range(CALLS):
            key = chance.choice((*range(7), 8, LIMIT, (1 << 32) - 1)).to_bytes(4, "little")
            flags, value, what = (
                chance.choice((0, 0, 0, 1, 2, 3, 4, 1 << 40)),
                chance.choice(given),
                chance.randrange(6),
            )
            if what <= 2:
                answers = mine.sys_update(key, value, flags), theirs.sys_update(key, value, flags)
                stored += answers == (0, 0)
            elif what == 3:
                answers = mine.sys_delete(key), theirs.sys_delete(key)
            elif what == 4:
                where = None if chance.random() < 0.3 else key
                answers = mine.next_key(where), theirs.next_key(where)  # type: ignore[assignment]
            else:
                call = chance.choice(("sys_lookup", "sys_lookup_and_delete"))
                seen = cookie(getattr(theirs, call)(key, flags), kind)
                answers = getattr(mine, call)(key, flags), seen  # type: ignore[assignment]
            assert answers[0] == answers[1], (
                f"{kind} of {size}, {entries} entries, seed {seed}: {what} {key.hex()} "
                f"{value.hex()} flags {flags:#x}: {answers[0]!r}, kernel {answers[1]!r}"
            )
        if kind not in ("xskmap", "cgroup_array", "perf_event_array", "stack_trace"):
            contents = [(key, seen) for key in map(lambda n: n.to_bytes(4, "little"), range(9))
                        if isinstance(seen := cookie(theirs.sys_lookup(key), kind), bytes)]  # fmt: skip
            assert [(key, value) for key, value in mine.entries() if int.from_bytes(key, "little") < 9] == contents
    finally:
        for index in range(entries if kind == "reuseport_sockarray" else 0):  # a closed map lets go of sockets later
            theirs.sys_delete(index.to_bytes(4, "little"))
        one.close()
        system.close()
    return CALLS, stored
