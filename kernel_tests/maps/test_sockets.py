"""Real sockets in maps: stored by sock_ops programs of a cgroup of its own, looked up by others; over loopback."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from bpfvm import Program
from bpfvm.isa.insn import Insn, insn
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.kernel.objects.install import install
from bpfvm.obj.model import MapSpec
from bpfvm.tables.helpers import allowed
from bpfvm.tables.maps import may_change_sockets
from bpfvm.tables.progs import BY_NAME
from kernel_tests.attach.test_attach import CGROUPS, cgroup
from kernel_tests.loading import load, place_of, release
from kernel_tests.maps.test_targets import SO_COOKIE
from kernel_tests.networks import inside, pair
from tests.unit.compiler import socket_programs as programs
from tests.unit.compiler.test_sockets_of_maps import LOOKED, maps_of

needs_cgroups = pytest.mark.skipif(not CGROUPS.is_dir(), reason=f"no cgroups of version 2 at {CGROUPS}")


def connections(count: int, opened: ExitStack) -> list[tuple[socket.socket, socket.socket]]:
    """Both ends of so many, of the server that is made for them."""
    found = []
    server = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    for _ in range(count):
        asked = opened.enter_context(socket.create_connection(server.getsockname()))
        taken = opened.enter_context(server.accept()[0])
        for one in (asked, taken):
            one.settimeout(5)
        found.append((asked, taken))
    return found


class Inside:
    """This process in a cgroup, and back where it was."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._before = folder, ""

    def __enter__(self) -> None:
        rows = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        self._before = next(path for number, _, path in rows if number == "0")
        self._move(self._folder)

    def __exit__(self, *_: object) -> None:
        self._move(f"{CGROUPS}{self._before}")

    def _move(self, folder: object) -> None:
        Path(f"{folder}/cgroup.procs").write_text(str(os.getpid()))


@needs_cgroups
def test_what_is_stored_is_the_socket_and_gets_messages() -> None:
    """Both ends of two connections are stored by their ports; then a message of one end is with the other at once."""
    spec = programs.stored.object
    with cgroup() as folder, install(spec) as stored, ExitStack() as opened:
        with stored.programs["stored"].attach(str(folder)), Inside(folder):
            ends = connections(2, opened)
        ports = stored.maps["ports"]
        every = [one for both in ends for one in both]
        want = {one.getsockname()[1]: int.from_bytes(one.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little")
                for one in every}  # fmt: skip
        assert len(want) == 3, "the two ends that were taken have the server's port"
        assert {key: int(value) for key, value in ports.items()} == want
    with (
        cgroup() as folder,
        install(spec) as stored,
        install(programs.across.object, reuse={"ports": stored.maps["ports"]}) as across,
        across.programs["across"].attach(across.maps["ports"]),
        ExitStack() as opened,
    ):
        with stored.programs["stored"].attach(str(folder)), Inside(folder):
            ((asked, taken),) = connections(1, opened)
        asked.sendall(b"at once")
        assert taken.recv(64) == b"at once"
        taken.sendall(b"and back")
        assert asked.recv(64) == b"and back"
        assert across.maps["passed"][0] == len(b"at onceand back")


@needs_cgroups
def test_answers_at_every_event() -> None:
    """errno of stores by event, flags and places: the emulator, given the same events, has the same ones."""
    with cgroup() as folder, install(programs.asked.object) as installed, ExitStack() as opened:
        with installed.programs["asked"].attach(str(folder)), Inside(folder):
            ((asked, _),) = connections(1, opened)
            asked.sendall(b"x")
        order = {int(key): int(value) for key, value in installed.maps["order"].items()}
        answers = {int(key): int(value) for key, value in installed.maps["answers"].items()}
    events = [order[turn + 1] for turn in range(order[0])]
    print(f"events {events}, {len(answers)} answers")
    assert {4, 5, 11} <= set(events)
    assert len(set(answers.values())) >= 6
    with programs.asked.session("interp") as session:
        for event in events:
            session.outcome(programs.asked.input((), {"op": event}))
        mine = {int(key): int(value) for key, value in session.map("answers").items()}
    assert mine == answers


@pytest.mark.parametrize(("program", "packet", "fields", "value", "fault"), LOOKED)
def test_sockets_that_are_looked_up(
    program: Program, packet: bytes, fields: Mapping[str, int], value: int, fault: str | None
) -> None:
    """With real sockets where the emulators have numbers. The kernel frees what programs give back."""
    with ExitStack() as opened:
        (first, _), (_, second), (third, _) = connections(3, opened)
        real = {77: first.fileno(), 5: second.fileno(), 9: third.fileno()}
        given = {name: {key: real[one] for key, one in held.items()} for name, held in maps_of(program).items()}
        with program.session("kernel", maps=given) as session:
            for _ in range(3):
                outcome = session.outcome(program.input((packet,), fields))
                assert outcome.value == value
                assert (fault or "None") in str(outcome.fault)


def test_fields_of_a_socket() -> None:
    with ExitStack() as opened:
        ((asked, _),) = connections(1, opened)
        with programs.described.session("kernel", maps={"socks": {1: asked.fileno()}}) as session:
            said = [session.outcome(programs.described.input((bytes(64),), {"mark": mark})).value for mark in (1, 0)]
        assert said == [2 * 10000 + 1 * 1000 + 6 * 10 + 1, asked.getsockname()[1]]


def test_a_socket_is_chosen() -> None:
    """A connection to a port where nobody listens comes to the socket of the map."""

    def act() -> bytes:
        with (
            socket.create_server(("127.0.0.1", 7000)) as server,
            install(programs.chosen.object) as installed,
            installed.programs["chosen"].attach(None),
        ):
            installed.maps["socks"].update({1: server.fileno()})
            with socket.create_connection(("127.0.0.1", 7001), 5) as asked:
                taken, _ = server.accept()
                with taken:
                    asked.sendall(b"here")
                    return taken.recv(8)

    with pair() as (_, right):
        assert inside(right, act) == b"here"


def _looked_up(fd: int) -> list[Insn]:
    """A lookup, and a release where there is a socket."""
    return [*_call(fd, 1), insn("jeq64_k", 0, imm=0, off=2), insn("mov64_x", 1, 0), insn("call", imm=86)]


def _call(fd: int, helper: int) -> list[Insn]:
    return [
        insn("mov64_k", 0, imm=0), insn("stx64", 10, 0, off=-8), insn("mov64_x", 2, 10), insn("add64_k", 2, imm=-8),
        insn("lddw_map", 1, imm=fd), insn("call", imm=helper),
    ]  # fmt: skip


# Types whose programs load in the tests' own way, each with an attach type where it takes one
TYPES = (
    "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp", "cgroup_skb", "cgroup_sock", "lwt_in",
    "lwt_xmit", "sock_ops", "sk_skb", "cgroup_device", "sk_msg", "raw_tracepoint", "cgroup_sock_addr", "sk_reuseport",
    "flow_dissector", "cgroup_sysctl", "cgroup_sockopt", "sk_lookup",
)  # fmt: skip


@pytest.mark.skipif(release() != (6, 18), reason="measured on 6.18")
@pytest.mark.parametrize("kind", ["sockmap", "sockhash"])
def test_who_may_look_up_and_delete(kind: str) -> None:
    compared = 0
    with closing(KernelMap(MapSpec("m", kind, 4, 8, 4))) as owner:
        for name in TYPES:
            row = BY_NAME[name]
            attach = row.attach_types[0].name if row.attach_types else None
            place = place_of(row, attach)
            for what, code, want in (
                ("look up", _looked_up(owner.fd.number), allowed("sk_release", name, attach) is not False),
                ("delete", _call(owner.fd.number, 3), may_change_sockets("map_delete_elem", name, attach)),
            ):
                said = load(place, [*code, *place.exit])
                assert (said.errno == 0) == want, f"{name}: {what}: {said.log[-300:]}"
                compared += 1
    assert compared == 2 * len(TYPES)
