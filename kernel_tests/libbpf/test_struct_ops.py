"""Tables of functions (struct_ops) in the kernel: laid out as the kernel's structs, loaded as libbpf loads them, and
registered, so that a socket's congestion control runs the programs."""

from __future__ import annotations

import ctypes
import ctypes.util
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError, Unavailable, UsageError
from bpfvm.core.machine import Input
from bpfvm.kernel import KERNEL
from bpfvm.kernel.objects.install import Installed, install
from bpfvm.kernel.sys import MAP_DELETE_ELEM, MAP_UPDATE_ELEM, Fd, MapElement, address, bpf
from bpfvm.obj.btf.types import Struct
from bpfvm.obj.model import ObjectSpec, TableSpec
from bpfvm.obj.reader.object import read_object
from kernel_tests.debian.test_debian_load import assert_equal
from kernel_tests.libbpf.whole import asked, map_facts, program_facts

OBJECTS = Path(__file__).parents[2] / "tests" / "objects" / "refused"
TABLES = OBJECTS / "tables.o"
AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
LINK_CREATE, STRUCT_OPS = 28, 44  # enum bpf_cmd, enum bpf_attach_type
KEY = bytes(4)

pytestmark = pytest.mark.needs("struct_ops")


class LinkCreate(ctypes.Structure):
    """BPF_LINK_CREATE of a table; the kernel takes its map as the program."""

    _fields_ = (("map_fd", ctypes.c_uint32), ("target", ctypes.c_uint32), ("attach_type", ctypes.c_uint32),
                ("rest", ctypes.c_uint32 * 13))  # fmt: skip


def store(installed: Installed, name: str) -> None:
    value = installed.tables[name]
    attr = MapElement(map_fd=installed.maps[name].fd.number, key=address(KEY), value=address(value))
    bpf(MAP_UPDATE_ELEM, attr)


def is_available(name: str) -> bool:
    return name in AVAILABLE.read_text().split()


def transfer(control: str) -> int:
    """Send some data to ourselves under a congestion control: bytes that came."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())
        client.connect(server.getsockname())
        taken, _ = server.accept()
        with taken:
            taken.settimeout(10)
            client.sendall(bytes(1 << 16))
            client.shutdown(socket.SHUT_WR)
            count = 0
            while data := taken.recv(1 << 16):
                count += len(data)
    return count


def test_a_table_that_is_stored_is_registered() -> None:
    """For this machine, so that nothing else may use the name; the socket is our own."""
    with install(read_object(TABLES)) as installed:
        assert not is_available("bpfvm_plain")
        store(installed, "plain")
        try:
            assert is_available("bpfvm_plain")
            assert transfer("bpfvm_plain") == 1 << 16
            assert installed.maps[".bss"]["avoided"] > 0
        finally:
            bpf(MAP_DELETE_ELEM, MapElement(map_fd=installed.maps["plain"].fd.number, key=address(KEY)))
        assert not is_available("bpfvm_plain")


@pytest.mark.needs("struct_ops_link")
def test_a_table_is_registered_by_a_link() -> None:
    with install(read_object(TABLES)) as installed:
        store(installed, "linked")
        assert not is_available("bpfvm_linked")
        attr = LinkCreate(map_fd=installed.maps["linked"].fd.number, attach_type=STRUCT_OPS)
        with Fd(bpf(LINK_CREATE, attr)):
            assert is_available("bpfvm_linked")
            assert transfer("bpfvm_linked") == 1 << 16
            assert installed.maps[".bss"]["avoided"] > 0
        assert not is_available("bpfvm_linked")


@pytest.mark.skipif(ctypes.util.find_library("bpf") is None, reason="libbpf is not installed")
def test_libbpf_loads_the_same() -> None:
    path = OBJECTS / "struct_ops.o"
    (theirs,) = asked([path]).values()
    assert (theirs.error, theirs.refused) == ("", 0)
    with install(read_object(path)) as installed:
        ours = {name: program_facts(one.fd.number) for name, one in installed.programs.items()}
        assert_equal(path.stem, ours, theirs.programs)
        assert_equal(path.stem, {name: map_facts(one.fd.number) for name, one in installed.maps.items()}, theirs.maps)
        assert len(ours) == len(theirs.maps) == 1


def test_members_of_the_kernels_own_test_are_run() -> None:
    spec = read_object(TABLES)
    with KERNEL.load(spec, "first", {}) as loaded:
        assert loaded.run(Input(ctx=bytes(8))).r0 == 7
        for wrong in (Input(), Input(ctx=bytes(16))):
            with pytest.raises(Unavailable, match=r"\(EINVAL\); the kernel runs members of struct bpf_dummy_ops alone"):
                loaded.run(wrong)
        with pytest.raises(UsageError, match="arguments are given as the bytes of its context, 8 for each"):
            loaded.run(Input(fields={"args[0]": 1}))
    with KERNEL.load(spec, "second", {}) as loaded:
        state = ctypes.c_int(5)  # the kernel copies what the first word points to
        assert loaded.run(Input(ctx=struct.pack("=5Q", ctypes.addressof(state), 1000, 200, 30, 4))).r0 == 1234
    with KERNEL.load(spec, "ssthresh", {}) as loaded, pytest.raises(Unavailable, match="of this struct_ops program: "):
        loaded.run(Input(ctx=bytes(8)))


def test_only_programs_that_are_loaded_stand_in_tables() -> None:
    spec = read_object(TABLES)
    with install(spec, ["first", "cong_avoid"]) as installed:
        assert set(installed.tables) == {"plain", "linked", "dummy"}
        assert installed.tables["dummy"].count(installed.programs["first"].fd.number) >= 1
    with install(spec, ["first"]) as installed:
        assert set(installed.tables) == {"dummy"}
        assert set(installed.maps) == {".bss", "dummy"}


def renamed(spec: ObjectSpec, old: str, new: str) -> ObjectSpec:
    """With another name for a struct or one of its members."""
    assert spec.btf is not None
    btf = spec.btf.copy()
    for number, one in enumerate(spec.btf, 1):
        if isinstance(one, Struct):
            members = tuple(replace(two, name=new) if two.name == old else two for two in one.members)
            btf.define(number, replace(one, name=new if one.name == old else one.name, members=members))
    return replace(spec, btf=btf)


def changed(spec: ObjectSpec, name: str, change: Callable[[TableSpec], TableSpec]) -> ObjectSpec:
    return replace(spec, tables={**spec.tables, name: change(spec.tables[name])})


def test_flavours_and_members_that_are_zero_are_no_obstacle() -> None:
    spec = renamed(read_object(TABLES), "tcp_congestion_ops", "tcp_congestion_ops___mine")
    with install(changed(spec, "plain", lambda one: replace(one, contents=bytes(len(one.contents))))) as installed:
        assert b"bpfvm_plain" not in installed.tables["plain"]
    nameless = renamed(changed(spec, "plain", lambda one: replace(one, contents=bytes(len(one.contents)))), "name", "x")
    install(nameless, ["first", "second"]).close()


WRONG: list[tuple[Callable[[ObjectSpec], ObjectSpec], str]] = [
    (lambda spec: renamed(spec, "tcp_congestion_ops", "no_such_ops"),
     "this kernel has no tables of struct no_such_ops (its BTF has no bpf_struct_ops_no_such_ops); `bpfvm doctor "
     "--all` shows what it has, in program ssthresh"),
    (lambda spec: renamed(spec, "undo_cwnd", "no_such_member"),
     "this kernel's struct tcp_congestion_ops has no member no_such_member, in program undo_cwnd"),
    (lambda spec: renamed(spec, "name", "no_such_name"),
     "table plain: member no_such_name of 16 bytes is not zero, and this kernel's struct tcp_congestion_ops has no "
     "such member"),
    (lambda spec: replace(spec, tables={}),
     "ssthresh: a struct_ops program is loaded for a member of a table, and stands in none; name it in a variable of "
     "section .struct_ops, or choose the other programs by name"),
    (lambda spec: changed(spec, "dummy", lambda one: replace(one, programs=((0, "ssthresh"), (8, "second")))),
     "ssthresh: it stands in tables as bpf_dummy_ops.test_1 and tcp_congestion_ops.ssthresh, and a program is loaded "
     "for one of them"),
    (lambda spec: changed(spec, "dummy", lambda one: replace(one, programs=((4, "first"), (8, "second")))),
     "table dummy: a program stands at byte 0x4, where its struct has no member, in program first"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_tables_that_cannot_be(change: Callable[[ObjectSpec], ObjectSpec], message: str) -> None:
    with pytest.raises(LoadError) as caught:
        install(change(read_object(TABLES)))
    assert str(caught.value).endswith(message), str(caught.value)
