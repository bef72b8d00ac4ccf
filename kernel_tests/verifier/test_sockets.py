"""This kernel's verifier takes reads of all fields of the sockets that contexts point to."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest

from bpfvm import Array, Program, SockMap, bpf, u64
from bpfvm.kernel.objects.install import install
from bpfvm.kernel.objects.load import load_object
from tests.contract.test_sockets import KINDS, reader
from tests.unit.compiler import test_sockmaps


@pytest.mark.parametrize("program", [
    test_sockmaps.verdict, test_sockmaps.message, test_sockmaps.chosen, test_sockmaps.entered,
])  # fmt: skip
def test_programs_on_maps_of_sockets_load(program: Program) -> None:
    bare = {name: replace(one, entries=()) for name, one in program.object.maps.items()}  # there are no such sockets
    load_object(replace(program.object, maps=bare), program.name, {}).close()


@pytest.mark.parametrize("kind", KINDS)
def test_fields_of_a_socket_load(kind: str) -> None:
    program = reader(kind, KINDS[kind])
    load_object(program.object, program.name, {}).close()


def _connected() -> tuple[socket.socket, socket.socket]:
    """A connection over loopback: who asked, and who took it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = socket.create_connection(server.getsockname())
        taken, _ = server.accept()
    for one in (asked, taken):
        one.settimeout(5)
    return asked, taken


def test_data_goes_on_to_another_socket() -> None:
    """A program sends on to one socket of a map what comes to another; they are stored once it is attached."""
    (first, entry), (second, exit) = _connected(), _connected()
    with first, entry, second, exit:
        relay = SockMap(2, name="relay")
        lengths = Array(u64, 1, name="lengths")

        @bpf.sk_skb("verdict")
        def verdict(skb: Any) -> int:
            lengths[0] += skb.len
            return relay.redirect(1)

        with install(verdict.object) as installed:
            with installed.programs["verdict"].attach(installed.maps["relay"]):
                installed.maps["relay"].update({0: entry.fileno(), 1: exit.fileno()})
                first.sendall(b"over to you")
                assert second.recv(64) == b"over to you"
            assert installed.maps["lengths"][0] == len(b"over to you")
