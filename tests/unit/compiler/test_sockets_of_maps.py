"""Sockets that programs store in maps and look up there: the same on every machine but the kernel, which
kernel_tests/maps/test_sockets.py asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bpfvm import Program, SockMap, UsageError
from tests.engines import EMULATORS
from tests.unit.compiler import socket_programs as programs

STANDING: Mapping[str, Mapping[int, int]] = {"socks": {1: 77, 2: 5}, "ports": {65: 9}}


def frame(kind: int, size: int = 64) -> bytes:
    """An Ethernet frame of a type."""
    return bytes(12) + kind.to_bytes(2, "big") + bytes(size - 14)


def maps_of(program: Program) -> dict[str, dict[Any, Any]]:
    """What stands in the program's maps."""
    return {name: dict(one) for name, one in STANDING.items() if name in program.object.maps}


LOOKED: tuple[tuple[Program, bytes | None, Mapping[str, int], int, str | None], ...] = (
    # program, packet, fields, value, fault
    (programs.looked, frame(0, 65), {"mark": 1}, 100, None),
    (programs.looked, frame(0, 65), {"mark": 0}, 0xFFFF_FFFF, "ZeroDivisionError"),
    (programs.looked, frame(0, 64), {"mark": 1}, 0xFFFF_FFFF, "KeyError"),
    (programs.looked, frame(1, 64), {}, 13, None),
    (programs.looked, frame(1, 65), {}, 11, None),
    (programs.looked, frame(2, 64), {}, 21, None),
    (programs.looked, frame(2, 65), {}, 23, None),
    (programs.counted, frame(0x800), {"mark": 1}, 1, None),
    (programs.counted, frame(0x800), {"mark": 2}, 0, None),
    (programs.through, frame(0, 64), {}, 1, None),
    (programs.through, frame(0, 66), {}, 2, None),
)


@pytest.mark.parametrize(("program", "packet", "fields", "value", "fault"), LOOKED)
def test_sockets_that_are_looked_up(
    program: Program, packet: bytes, fields: Mapping[str, int], value: int, fault: str | None
) -> None:
    outcome = program.check(packet, ctx=fields, maps=maps_of(program))
    assert outcome.value == value
    assert (fault or "None") in str(outcome.fault)
    assert len(outcome.engines) > len(EMULATORS)


@pytest.mark.parametrize(("port", "target"), [(1, "socket 77"), (2, "socket 5"), (5, "socket 77"), (3, None)])
def test_a_socket_is_chosen(port: int, target: str | None) -> None:
    outcome = programs.chosen.check(ctx={"local_port": port}, maps=maps_of(programs.chosen))
    assert (outcome.value, outcome.redirect) == (1, target)


@pytest.mark.parametrize(("event", "sk", "want"), [
    (4, None, {65: 9, 80: 1}), (5, 33, {65: 9, 80: 33}), (6, 33, {65: 9}),
])  # fmt: skip
def test_the_socket_of_a_context_is_stored(event: int, sk: int | None, want: Mapping[int, int]) -> None:
    fields = {"op": event, "local_port": 80} | ({"sk": sk} if sk is not None else {})
    outcome = programs.stored.check(ctx=fields, maps=maps_of(programs.stored))
    assert (outcome.value, outcome.maps["ports"]) == (1, want)


@pytest.mark.parametrize(("event", "port", "fault", "want"), [
    (3, 2, None, {1: 77}), (3, 3, "KeyError: 3", {1: 77, 2: 5}), (3, 9, "KeyError: 9", {1: 77, 2: 5}),
    (4, 2, None, {1: 77, 2: 1}), (4, 4, "MapError: socks takes no socket here", {1: 77, 2: 5}),
    (6, 0, "MapError: socks takes no socket here", {1: 77, 2: 5}),
])  # fmt: skip
def test_stores_and_deletions(event: int, port: int, fault: str | None, want: Mapping[int, int]) -> None:
    outcome = programs.removed.check(ctx={"op": event, "local_port": port}, maps=maps_of(programs.removed))
    assert outcome.maps["socks"] == want
    assert (fault or "None") in str(outcome.fault)


def test_a_socket_is_a_number_from_1() -> None:
    with pytest.raises(UsageError, match="sk = 0: a socket is a number from 1"):
        programs.stored.emulate(ctx={"op": 4, "sk": 0}, engine="interp")


def test_in_user_space_a_map_that_nothing_uses_is_refused() -> None:
    with pytest.raises(UsageError, match="map alone has a meaning only while a program runs"):
        SockMap(4, name="alone")[1]


@pytest.mark.parametrize("engine", EMULATORS)
def test_a_function_in_python_does_not_see_sockets(engine: str) -> None:
    def helper(ctx: Any, table: Any, key: bytes, flags: int) -> int:
        return int(table.lookup(key) is not None)

    outcome = programs.stored.emulate(ctx={"op": 4}, engine=engine, helpers={"sock_hash_update": helper})
    assert "map ports: its values are sockets, which a function in Python does not see" in str(outcome.fault)
