"""Made packets for the programs of the corpus, by kind; bytes alone, the same each time."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from itertools import chain

from bpfvm.testing.frames import ADDRESS6, ethernet, icmp, ipv4, ipv6, tcp, udp, vlan

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
GROUP = bytes.fromhex("01005e000001")


def address(text: str) -> int:
    """An IPv4 address as the number that it is."""
    return int.from_bytes(bytes(map(int, text.split("."))), "big")


def station(number: int) -> bytes:
    """A MAC address, administered locally."""
    return bytes((2, 0, 0, 0, 0, number))


def _link() -> Iterator[bytes]:
    """No IPv4: other types, ARP, what is as short as a frame can be."""
    yield ethernet(b"", 0x88CC)
    yield ethernet(bytes(46), 0x88CC, dst=GROUP)
    yield ethernet(bytes(46), 0x8100)[:16]
    yield ethernet(b"", 0x0800)
    yield ethernet(b"\x45", 0x0800)
    yield ethernet(ipv6(udp(b"x" * 40)))
    for number in range(4):
        yield ethernet(bytes(20 * number + 1), 0x88B5, src=station(number), dst=station(3 - number))


def _arp() -> Iterator[bytes]:
    for op, mac, sender in ((1, 1, 1), (2, 1, 1), (2, 2, 2), (2, 1, 1), (2, 3, 1), (2, 2, 2), (3, 1, 1), (15, 1, 1),
                            (16, 1, 1), (0, 4, 4), (2, 4, 4)):  # fmt: skip
        data = struct.pack(">HHBBH", 1, 0x0800, 6, 4, op) + station(mac) + bytes((10, 0, 0, sender))
        yield ethernet(data + station(9) + bytes((10, 0, 0, 9)), 0x0806, src=station(mac))


def _udp() -> Iterator[bytes]:
    for number, port in enumerate((53, 53, 7, 19, 123, 4789, 5353, 65535, 0, 443)):
        source = address(f"10.0.{number % 3}.{number + 1}")
        payload = bytes(range(number * 25))
        yield ethernet(ipv4(udp(payload, sport=40000 + number, dport=port), src=source, tos=number * 29 & 255),
                       src=station(number % 4))  # fmt: skip
    for number in range(6):
        yield ethernet(ipv4(udp(b"again", sport=7000, dport=9000), id=number, options=bytes(4 * (number % 3))))
    plain = bytearray(ethernet(ipv4(udp(b"no checksum", dport=53), dst=address("10.0.0.100"))))
    plain[40:42] = bytes(2)
    yield bytes(plain)
    yield ethernet(ipv4(udp(b"x", dport=53), dst=address("10.0.0.100")))


def _tcp() -> Iterator[bytes]:
    lit = (SYN, SYN | ACK, ACK, PSH | ACK, FIN | ACK, RST, 0, SYN | FIN, FIN | PSH | URG, FIN, 255)
    for number, flags in enumerate(lit):
        yield ethernet(ipv4(tcp(bytes(number * 30), sport=2000 + number, dport=(22, 80, 443, 8080)[number % 4],
                                flags=flags)))  # fmt: skip
    for number in range(24):
        source = address("10.0.2.1") + number % 5
        yield ethernet(ipv4(tcp(sport=1024 + number, dport=(80, 139, 6010)[number % 3], flags=SYN), src=source))
    for number in range(40):
        yield ethernet(ipv4(tcp(sport=3000 + number, dport=80, flags=SYN), src=address("10.0.9.9")))
    for number in range(6):
        to = address(("10.0.0.100", "10.0.0.2")[number % 2])
        yield ethernet(ipv4(tcp(b"GET / HTTP/1.1\r\n\r\n", dport=(80, 443, 25)[number % 3], options=bytes(4 * number)),
                            dst=to, ttl=number, tos=number * 67 & 255, options=bytes(4 * (number // 2))))  # fmt: skip


def _icmp() -> Iterator[bytes]:
    for kind in (0, 3, 5, 8, 8, 11, 13, 255):
        yield ethernet(ipv4(icmp(bytes(kind % 48), type=kind, code=kind & 1)))
    for number in range(12):
        yield ethernet(ipv4(icmp(b"abcdefgh", rest=number), src=address("10.0.3.3")))
    yield ethernet(ipv4(icmp(b"with options"), options=bytes(8)))
    yield ethernet(ipv4(b"nothing", proto=253))


def _mixed() -> Iterator[bytes]:
    """IPv4 of all protocols, times to live and addresses."""
    for number in range(32):
        source = address(("10.0.0.1", "10.0.1.9", "10.0.1.77", "192.0.2.5", "172.16.3.4")[number % 5])
        above = (udp(bytes(number)), tcp(bytes(number * 3)), icmp(), b"raw" * number)[number % 4]
        yield ethernet(ipv4(above, src=source, ttl=number, tos=(number * 9) & 255, id=number * 2113 & 0xFFFF,
                            proto=None if number % 4 < 3 else number), src=station(number % 6),
                       dst=station((number + 1) % 6))  # fmt: skip


def _ipv6() -> Iterator[bytes]:
    def header(kind: int, size: int = 0) -> bytes:
        return bytes((kind, size)) + bytes(6 + 8 * size)

    chains = {
        17: b"", 0: header(17), 43: header(6, 2) + tcp(), 44: bytes((17, 0)) + bytes(6) + udp(),
        60: header(0) + header(58), 51: bytes((17, 4)) + bytes(22) + udp(), 59: b"",
    }  # fmt: skip
    for number, (first, above) in enumerate(chains.items()):
        yield ethernet(ipv6(above, proto=first, src=ADDRESS6 + number, dst=(0x20010DB8 << 96) + (number << 64) + 7,
                            hops=number))  # fmt: skip
    yield ethernet(ipv6(header(60) * 7, proto=60))
    yield ethernet(ipv6(header(60)[:1], proto=60))
    yield ethernet(ipv6(tcp(b"six", flags=SYN), hops=64))
    for number in range(8):
        yield ethernet(ipv6(udp(bytes(3000)), src=ADDRESS6 + 9, hops=number))


def _vlan() -> Iterator[bytes]:
    for number, id in enumerate((1, 2, 5, 7, 4095, 0, 100, 7)):
        inner = ipv4(udp(bytes(number)), dst=address("10.0.1.1") + number % 5)
        yield ethernet(vlan(inner, id=id, priority=number), src=station(number % 4), dst=station((number + 1) % 4))
    yield ethernet(vlan(vlan(ipv4(tcp()), id=7), id=20, tag=0x88A8))
    yield ethernet(vlan(vlan(vlan(ipv4(tcp()), id=1), id=7), id=20))
    yield ethernet(vlan(ipv6(udp()), id=2))
    yield ethernet(vlan(b"", id=2))[:17]
    yield ethernet(vlan(b"short", id=1, type=0x0800))


def _tunnels() -> Iterator[bytes]:
    inner = ethernet(ipv4(tcp(b"inside")))
    for number, flags in enumerate((0, 0x8000, 0x2000, 0xA000, 0x3000, 0xB000)):
        words = bytes(4) * bool(flags & 0x8000) + struct.pack(">I", number) * bool(flags & 0x2000)
        yield ethernet(ipv4(struct.pack(">HH", flags, (0x0800, 0x86DD, 0x6558)[number % 3]) + words + inner, proto=47))
    yield ethernet(ipv4(struct.pack(">HH", 0xA000, 0x0800) + bytes(4), proto=47))
    for number in range(6):
        head = struct.pack(">BxxxI", 0 if number == 4 else 8, (number % 3 << 8) | number)
        yield ethernet(ipv4(udp(head + inner, dport=4789), options=bytes(4 * (number % 2))))
    yield ethernet(ipv4(udp(b"\x08\0\0", dport=4789)))


def question(name: str, kind: int = 1, flags: int = 0x0100, count: int = 1) -> bytes:
    """A message of the DNS with one question."""
    labels = b"".join(bytes((len(one),)) + one.encode() for one in name.split(".") if one)
    return struct.pack(">HHHHHH", 1, flags, count, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)


def _dns() -> Iterator[bytes]:
    names = ("example.com", "ads.example.com", "ADS.Example.COM", "tracker.test", "", "a.b.c.d.e.f.g",
             "a.b.c.d.e.f.g.h.i", "x" * 63, "long." * 14 + "test")  # fmt: skip
    for number, name in enumerate(names):
        yield ethernet(ipv4(udp(question(name, (1, 28, 16, 255, 65)[number % 5])), options=bytes(4 * (number % 3))))
    yield ethernet(ipv4(udp(question("example.com", flags=0x8180))))
    yield ethernet(ipv4(udp(question("example.com", count=2))))
    yield ethernet(ipv4(udp(question("ads.example.com"), dport=5300)))
    yield ethernet(ipv4(udp(question("ads.example.com")[:20])))
    yield ethernet(ipv4(udp(question("ads.example.com")[:-4])))
    yield ethernet(ipv4(udp(b"")))


def _http() -> Iterator[bytes]:
    lines = ("GET / HTTP/1.1", "GET /admin HTTP/1.1", "GET /administrator", "POST /admin/x HTTP/1.0", "PUT /admin",
             "HEAD /a", "DELETE /x", "DELE", "HTTP/1.1 200 OK", "OPTIONS *", "GET", "GET /adm", "get /admin HTTP/1.1",
             "")  # fmt: skip
    for number, line in enumerate(lines):
        for port in (80, 8080) if number < 4 else (80,):
            segment = tcp(line.encode(), dport=port, options=bytes(4 * (number % 4)))
            yield ethernet(ipv4(segment, options=bytes(4 * (number % 3))))


def hello(name: str, before: int = 0, session: int = 32, suites: int = 8) -> bytes:
    """A ClientHello of TLS 1.2; other extensions come before the name's."""
    server = struct.pack(">HBH", len(name) + 3, 0, len(name)) + name.encode()
    extensions = b"".join(struct.pack(">HH", 10 + number, number) + bytes(number) for number in range(before))
    extensions += struct.pack(">HH", 0, len(server)) + server if name else b""
    body = bytes(34) + bytes((session,)) + bytes(session) + struct.pack(">H", suites) + bytes(suites) + b"\1\0"
    body += struct.pack(">H", len(extensions)) + extensions
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + struct.pack(">H", len(message)) + message


def _tls() -> Iterator[bytes]:
    for number, name in enumerate(("example.com", "a.example", "example.com", "", "x" * 60, "one.two.three.example")):
        segment = tcp(hello(name, number * 3, 32 * (number % 2), 2 * number), dport=443, options=bytes(4 * number))
        yield ethernet(ipv4(segment))
    yield ethernet(ipv4(tcp(hello("late.example", 17), dport=443)))
    yield ethernet(ipv4(tcp(hello("cut.example")[:90], dport=443)))
    yield ethernet(ipv4(tcp(b"\x17\3\3\0\1x", dport=443)))
    yield ethernet(ipv4(udp(hello("udp.example"), dport=443)))


def _cut() -> Iterator[bytes]:
    """One frame of TCP and one of UDP, ended at every place in their headers."""
    for whole in (ethernet(ipv4(tcp(b"GET /admin"))), ethernet(ipv4(udp(b"payload!", dport=53), options=bytes(4)))):
        yield from (whole[:size] for size in range(14, 60, 2))


FRAMES: Mapping[str, tuple[bytes, ...]] = {
    "link": tuple(_link()), "arp": tuple(_arp()), "udp": tuple(_udp()), "tcp": tuple(_tcp()), "icmp": tuple(_icmp()),
    "mixed": tuple(_mixed()), "ipv6": tuple(_ipv6()), "vlan": tuple(_vlan()), "tunnels": tuple(_tunnels()),
    "dns": tuple(_dns()), "http": tuple(_http()), "tls": tuple(_tls()), "cut": tuple(_cut()),
}  # fmt: skip


def frames(kinds: tuple[str, ...]) -> tuple[bytes, ...]:
    """The frames of several kinds, one after another."""
    return tuple(chain.from_iterable(FRAMES[kind] for kind in kinds))
