# mypy: disable-error-code="type-arg, misc, valid-type, arg-type, call-arg, index"
"""Addresses of IPv4 as numbers of be32, and networks as keys of tries: in maps that are given, in outcomes, in views of
a session's maps, and in user space."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import Any

import pytest

import bpfvm
from bpfvm import Array, Counter, Hash, LpmTrie, UsageError, be32, bpf, ip4prefix, pkt, struct, u16, u32, u64
from bpfvm.lang import userspace
from bpfvm.obj.btf import types
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.obj.model import MapSpec
from bpfvm.obj.values.contents import decode_entries, encode_entries
from bpfvm.run.replay import Replay
from bpfvm.testing.frames import ethernet, ipv4, udp

A, B = "10.0.0.1", "10.0.0.2"
FRAME = ethernet(ipv4(udp(dport=53), src=A, dst=B))
NUMBER = int(IPv4Address(A))


@struct
class Flow:
    """Who talks to whom."""

    src: be32
    dst: be32
    port: u16


flows = Hash(Flow, u64, default=0)
hosts = Counter(be32)
denied = Hash(be32, u32, contents={"10.0.0.9": 1, IPv4Address("10.0.0.8"): 2})
nets = LpmTrie(ip4prefix, u32, contents={"10.0.0.0/8": 3, ip_network("11.0.0.0/8"): 4})
last = Array(Flow, 2)


@bpf.socket("lo")
def watch(skb: Any) -> int:
    ip = pkt.ip
    flows[Flow(src=ip.src, dst=ip.dst, port=ip.udp.dport)] += 1
    hosts[ip.src] += 1
    last[1].src = ip.dst
    net = nets.get(ip4prefix(address=ip.src), 0)
    return int(denied.get(ip.src, net))


def test_maps_are_given_and_asked_by_addresses() -> None:
    given = {
        "hosts": {A: 5, IPv4Address("10.0.0.7"): 2},
        "flows": {Flow(src=A, dst=IPv4Address(B), port=53): 7},
        "last": [{"src": A, "dst": IPv4Address(B), "port": 1}, Flow(src=B)],
    }
    outcome = watch.check(FRAME, maps=given)
    maps = outcome.maps
    assert outcome.value == 3
    for key in (A, IPv4Address(A), NUMBER):
        assert maps["hosts"][key] == 6
        assert key in maps["hosts"]
    assert list(maps["hosts"]) == [NUMBER, int(IPv4Address("10.0.0.7"))]
    for same in (Flow(src=A, dst=B, port=53), {"src": A, "dst": IPv4Address(B), "port": 53}):
        assert maps["flows"][same] == 8
    assert maps["last"][0] == Flow(src=A, dst=B, port=1)
    for network in ("10.0.0.0/8", ip_network("10.0.0.0/8"), (8, "10.0.0.0"), ip4prefix(length=8, address="10.0.0.0")):
        assert maps["nets"][network] == 3
    assert "12.0.0.0/8" not in maps["nets"]
    assert "10.0.0.3" not in maps["hosts"]
    assert maps["denied"] == {"10.0.0.8": 2, "10.0.0.9": 1}


def test_views_of_a_session_take_addresses() -> None:
    with bpfvm.session(watch) as running:
        running.run(FRAME)
        view = running.map("hosts")
        view[B] = 4
        assert (view[A], view[IPv4Address(B)]) == (1, 4)
        assert running.map("flows")[A, B, 53] == 1
        with pytest.raises(UsageError, match=r"map hosts key: Octet 256 \(> 255\) not permitted in '10\.0\.0\.256'"):
            view["10.0.0.256"]


def test_declared_maps_take_addresses_in_user_space(tmp_path: Path) -> None:
    path = tmp_path / "one.pcap"
    write_capture(path, [(0, FRAME)])
    with open_capture(path) as packets, userspace.instead(Replay(packets, "portable")), bpf.attach(watch):
        bpf.wait(1)
        assert (hosts[A], hosts.get(IPv4Address(A)), A in hosts) == (1, 1, True)
        hosts[B] = 7
        del hosts[IPv4Address(B)]
        assert dict(hosts) == {NUMBER: 1}
        assert flows[Flow(src=A, dst=B, port=53)] == 1
        last[1].dst = A
        assert last[1].dst == NUMBER
        nets["12.0.0.0/8"] = 9
        assert (nets["12.1.2.3"], nets[ip4prefix(address="10.1.1.1")]) == (9, 3)
        for wrong in ("10.0.0", "eth0"):
            with pytest.raises(ValueError, match="Expected 4 octets"):
                hosts[wrong]


def test_declarations_tell_what_is_no_address() -> None:
    with pytest.raises(UsageError, match=r"Hash: contents: Expected 4 octets in '10\.0\.0'"):
        Hash(be32, u32, contents={"10.0.0": 1})
    with pytest.raises(UsageError, match=r"a key of LpmTrie\(ip4prefix, u32\): 10\.0\.0\.1/8 has host bits set"):
        LpmTrie(ip4prefix, u32, contents={"10.0.0.1/8": 1})
    with pytest.raises(UsageError, match="an integer, not"):
        Hash(u32, u32, contents={1: A})


@pytest.mark.parametrize("name", ["be32", "__be32"])
def test_objects_of_any_compiler_take_addresses(name: str) -> None:
    """By the name of the type. What is shown of the kernel's __be32 is the number in the machine's order."""
    btf = Btf((types.Int("unsigned int", 4, 32), types.Typedef(name, 1), types.Typedef("ip_t", 2)))
    spec = MapSpec("m", "hash", 4, 4, 4, key_type=3, value_type=2)
    for key in (A, IPv4Address(A)):
        assert encode_entries(spec, btf, {key: "1.2.3.4"}, "little") == [(b"\n\0\0\1", b"\1\2\3\4")]
    found = decode_entries(spec, btf, [(b"\n\0\0\1", b"\1\2\3\4")], "little")
    assert found[A] == int.from_bytes(b"\1\2\3\4", "big" if name == "be32" else "little")
    assert found["0a000001"] == found[A]
    plain = MapSpec("m", "hash", 4, 4, 4, key_type=1, value_type=1)
    with pytest.raises(bpfvm.LoadError, match="is not hex text of 4 bytes"):
        encode_entries(plain, btf, {A: 1}, "little")
