"""Packets to run on: a frame of every header kind, cut and changed, with numbers of the program in its fields."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from struct import pack

from bpfvm.fuzz.hooks.kinds import Kind
from bpfvm.fuzz.python.numbers import inside
from bpfvm.lang.packets.headers import IP, IP6
from bpfvm.lang.types.interval import Interval

_MACS = bytes((2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2))
_QUERY = pack(">6H", 1, 0x0100, 1, 0, 0, 0) + b"\x03www\x07example\x03com\0\0\x1c\0\x01"
_LEAST = 14  # BPF_PROG_TEST_RUN takes no shorter frame
_MOST = 200
_WHOLE = {IP: 34, IP6: 54}  # bytes of a frame that an skb has at least: a whole header of IP
_CUT, _CHANGED, _KNOWN = 0.25, 0.4, 0.5
_PADDED = 0.85


def _eth(kind: int, rest: bytes) -> bytes:
    return _MACS + pack(">H", kind) + rest


def _tag(vid: int, kind: int, rest: bytes) -> bytes:
    return pack(">2H", 0x6000 | vid, kind) + rest


def _ip(proto: int, rest: bytes, options: int = 0, ihl: int | None = None) -> bytes:
    words = 5 + options if ihl is None else ihl
    head = pack(">2B3H2BH2I", 0x40 | words, 0xB9, 20 + 4 * options + len(rest), 0x1234, 0x4000, 64, proto, 0xABCD,
                0x0A000001, 0x0A0000FE)  # fmt: skip
    return head + b"\x01" * (4 * options) + rest


def _ip6(after: int, rest: bytes) -> bytes:
    return pack(">IH2B", 0x61234567, len(rest), after, 64) + bytes(range(32)) + rest


def _ext(after: int, words: int, rest: bytes) -> bytes:
    return bytes([after, words]) + bytes(range(6 + 8 * words)) + rest


def _udp(rest: bytes, dport: int = 53) -> bytes:
    return pack(">4H", 1234, dport, 8 + len(rest), 0xBEEF) + rest


def _tcp(rest: bytes, options: int = 0, offset: int | None = None) -> bytes:
    words = 5 + options if offset is None else offset
    return pack(">2H2I2B3H", 4321, 80, 1, 2, words << 4, 0x12, 1000, 0xCAFE, 7) + b"\x01" * (4 * options) + rest


def _gre(flags: int, kind: int, rest: bytes) -> bytes:
    return pack(">2H", flags, kind) + bytes(4 * (flags & 0xB000).bit_count()) + rest


@cache
def whole() -> tuple[bytes, ...]:
    """Each frame once."""
    dns, inner = _udp(_QUERY), _eth(IP, _ip(17, _udp(b"inner")))
    return (
        _eth(IP, _ip(17, dns)), _eth(IP, _ip(17, dns, 3)), _eth(IP, _ip(6, _tcp(b"GET / HTTP/1.1\r\n"))),
        _eth(IP, _ip(6, _tcp(b"POST /x HTTP/1.1", 5), 10)), _eth(IP, _ip(6, _tcp(b"", offset=0), ihl=3)),
        _eth(IP, _ip(6, _tcp(b"PUT ", offset=15), ihl=15)),
        _eth(IP, _ip(1, bytes((3, 1)) + bytes(6) + _ip(17, _udp(b"abcdefgh")))),
        _eth(0x8100, _tag(5, IP, _ip(17, dns))),
        _eth(0x88A8, _tag(7, 0x8100, _tag(9, IP, _ip(6, _tcp(b"HTTP/1.1 200"))))),
        _eth(0x8100, _tag(1, 0x8100, _tag(2, 0x8100, _tag(3, IP6, _ip6(17, _udp(b"xy")))))),
        _eth(IP6, _ip6(17, dns)), _eth(IP6, _ip6(0, _ext(43, 1, _ext(6, 0, _tcp(b"HEAD /"))))),
        _eth(IP6, _ip6(44, pack(">2BHI", 58, 0, 0x0149, 77) + bytes((128, 0)) + bytes(6))),
        _eth(IP6, _ip6(51, bytes((6, 2)) + bytes(14) + _tcp(b"behind"))),
        _eth(IP6, _ip6(58, bytes((1, 0)) + bytes(6) + _ip6(17, _udp(b"quoted")))),
        _eth(0x0806, pack(">2H2BH", 1, IP, 6, 4, 2) + bytes(range(20))),
        _eth(0x8847, pack(">2I", 0x000640FF, 0x000651FE) + _ip(17, _udp(b"mpls"))),
        _eth(IP, _ip(47, _gre(0xB000, IP, _ip(17, _udp(b"in gre"))))), _eth(IP, _ip(47, _gre(0x2000, 0x6558, inner))),
        _eth(IP, _ip(17, _udp(pack(">2I", 0x08000000, 0xABCDEF00) + inner, 4789))),
        _eth(IP, _ip(132, pack(">2H2I", 5, 6, 7, 8) + bytes((1, 2, 0, 20)))),
        _eth(IP, _ip(4, _ip(41, _ip6(6, _tcp(b"deep"))))), bytes(90), bytes((0x45,)) * 64,
    )  # fmt: skip


def packet(rng: random.Random, kind: Kind, ends: Sequence[int], numbers: Sequence[int]) -> bytes:
    """A packet that the kernel takes for a run. ends: where things that the program reads end, if the headers before
    them are the usual ones. numbers: of the program's text."""
    link = kind.type.layer == "eth"
    data = bytearray(rng.choice(whole()))
    if not link:
        data = bytearray(rng.choice([one for one in whole() if one[12:14] in (b"\x08\x00", b"\x86\xdd")])[14:])
    if rng.random() < _PADDED:
        data += bytes(
            rng.choice((0, 1, 5, 0x45, 255)) for _ in range(rng.choice((rng.randrange(_MOST), _MOST)) - len(data))
        )
    if rng.random() < _CHANGED:
        _changed(rng, data)
    if rng.random() < _KNOWN:
        _known(rng, data, numbers)
    if rng.random() < _CUT:
        near = rng.choice(ends) + rng.choice((-1, 0, 0, 1)) if ends and rng.random() < 0.7 else rng.randrange(len(data))
        del data[max(near, 0) :]
    return _taken(kind, link, bytes(data))


def _changed(rng: random.Random, data: bytearray) -> None:
    """Some bytes become others, mostly in front."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(min(len(data), rng.choice((24, 64, _MOST))))
        data[at] = rng.choice((0, 1, 4, 5, 6, 17, 0x45, 0x4F, 0x80, 0xFF, inside(rng, Interval(0, 255))))


def _known(rng: random.Random, data: bytearray, numbers: Sequence[int]) -> None:
    """Numbers of the program's text stand somewhere."""
    for value in rng.sample(numbers, min(3, len(numbers))):
        width = rng.choice((1, 2, 4))
        at = rng.randrange(len(data) - width)
        data[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "big")


def _taken(kind: Kind, link: bool, data: bytes) -> bytes:
    """The packet, with zeros behind it where the kernel would not take it as it is."""
    if not link:
        version = data[0] >> 4 if data else 0
        return data.ljust(40 if version == 6 else 20, b"\0")
    data = data.ljust(_LEAST, b"\0")
    if kind.name == "xdp":
        return data
    if int.from_bytes(data[12:14], "big") < 0x600:  # lengths of IEEE 802.3 are for others to compare
        data = data[:12] + b"\x08\x00" + data[14:]
    return data.ljust(_WHOLE.get(int.from_bytes(data[12:14], "big"), _LEAST), b"\0")
