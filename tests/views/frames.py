"""Frames of every kind of header that views lead to, cut at every length, and some that lie about themselves."""

from __future__ import annotations

from collections.abc import Iterator
from struct import pack

MACS = bytes(range(12))
QUERY = pack(">6H", 1, 0x0100, 1, 0, 0, 0) + b"\x03www\x07example\x03com\0\0\x1c\0\x01"


def eth(kind: int, rest: bytes) -> bytes:
    return MACS + pack(">H", kind) + rest


def tagged(vid: int, kind: int, rest: bytes) -> bytes:
    return pack(">2H", 0x6000 | vid, kind) + rest


def ip(proto: int, rest: bytes, options: bytes = b"", ihl: int | None = None) -> bytes:
    words = 5 + len(options) // 4 if ihl is None else ihl
    head = pack(">2B3H2BH2I", 0x40 | words, 0xB9, 20 + len(options) + len(rest), 0x1234, 0x4000, 64, proto, 0xABCD,
                0x0A000001, 0x0A0000FE)  # fmt: skip
    return head + options + rest


def ip6(after: int, rest: bytes) -> bytes:
    return pack(">IH2B", 0x61234567, len(rest), after, 64) + bytes(range(32)) + rest


def extension(after: int, words: int, rest: bytes) -> bytes:
    return bytes([after, words]) + bytes(range(6 + 8 * words)) + rest


def udp(rest: bytes, dport: int = 53) -> bytes:
    return pack(">4H", 1234, dport, 8 + len(rest), 0xBEEF) + rest


def tcp(rest: bytes, options: bytes = b"", offset: int | None = None) -> bytes:
    words = 5 + len(options) // 4 if offset is None else offset
    return pack(">2H2I2B3H", 4321, 80, 0x01020304, 0x0A0B0C0D, words << 4, 0x12, 1000, 0xCAFE, 7) + options + rest


def gre(flags: int, kind: int, rest: bytes) -> bytes:
    return pack(">2H", flags, kind) + bytes(4 * (flags & 0xB000).bit_count()) + rest


def whole() -> Iterator[bytes]:
    """Each frame once."""
    yield eth(0x0800, ip(17, udp(QUERY)))
    yield eth(0x0800, ip(17, udp(QUERY), b"\x01" * 12))
    yield eth(0x0800, ip(6, tcp(b"GET / HTTP/1.1\r\n")))
    yield eth(0x0800, ip(6, tcp(b"POST /x HTTP/1.1", b"\x01" * 20), b"\x01" * 40))
    yield eth(0x0800, ip(6, tcp(b"", offset=0), ihl=3))
    yield eth(0x0800, ip(6, tcp(b"PUT ", offset=15), ihl=15))
    yield eth(0x0800, ip(1, bytes([3, 1]) + bytes(6) + ip(17, udp(b"abcdefgh"))))
    yield eth(0x8100, tagged(5, 0x0800, ip(17, udp(QUERY))))
    yield eth(0x88A8, tagged(7, 0x8100, tagged(9, 0x0800, ip(6, tcp(b"HTTP/1.1 200")))))
    yield eth(0x8100, tagged(1, 0x8100, tagged(2, 0x8100, tagged(3, 0x8100, tagged(4, 0x86DD, ip6(17, udp(b"xy")))))))
    yield eth(0x86DD, ip6(17, udp(QUERY)))
    yield eth(0x86DD, ip6(0, extension(43, 1, extension(6, 0, tcp(b"HEAD /")))))
    yield eth(0x86DD, ip6(44, pack(">2BHI", 58, 0, 0x0149, 77) + bytes([128, 0]) + bytes(6)))
    yield eth(0x0806, pack(">2H2BH", 1, 0x0800, 6, 4, 2) + bytes(range(20)))
    yield eth(0x8847, pack(">2I", 0x000640FF, 0x000651FE) + ip(17, udp(b"mpls")))
    yield eth(0x0800, ip(47, gre(0xB000, 0x0800, ip(17, udp(b"in gre")))))
    yield eth(0x0800, ip(47, gre(0x2000, 0x6558, eth(0x0800, ip(6, tcp(b"PUT /"))))))
    yield eth(0x0800, ip(17, udp(pack(">2I", 0x08000000, 0xABCDEF00) + eth(0x0800, ip(17, udp(b"vx"))), 4789)))
    yield eth(0x0800, ip(132, pack(">2H2I", 5, 6, 7, 8) + bytes([1, 2, 0, 20])))
    yield bytes([0xFF]) * 90
    yield bytes(90)


def long() -> Iterator[bytes]:
    """Frames around the first page of an XDP frame, and around what programs see of a packet."""
    for size in (3519, 3520, 3521, 3601, 65534, 65535, 65536, 70000):
        for place in (0, size - 1, size, 65534, 65535, 65536, 0x8000_0000, 0xFFFF_FFFF):
            for tos in (1, 2, 4):
                head = eth(0x0800, pack(">2B3H2BH2I", 0x45, tos, 20, 1, 0, 64, 17, 0, place, 1))
                yield (head + bytes(range(251)) * (size // 251 + 1))[:size]


def cut(every: int = 1) -> Iterator[bytes]:
    """Each frame at every length, or at every n-th one and whole."""
    for frame in whole():
        lengths = range(14, len(frame), every) if every > 1 else range(len(frame))
        yield from (frame[:size] for size in lengths)
        yield frame


def inner(every: int = 1) -> Iterator[bytes]:
    """What stands behind Ethernet in frames of IP, cut in the same way, from a whole header on."""
    for frame in whole():
        if frame[12:14] in (b"\x08\x00", b"\x86\xdd"):
            packet = frame[14:]
            yield from (packet[:size] for size in range(20 if packet[0] >> 4 == 4 else 40, len(packet), every))
            yield packet
