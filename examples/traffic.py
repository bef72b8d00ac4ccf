"""Write a small capture of made-up traffic: 12 TCP, 7 UDP and 3 ICMP packets, an ARP request and a truncated frame.

python examples/traffic.py traffic.pcap

`web` behind it: questions of the DNS and messages of HTTP; `flows`: five clients, some of which send more than others;
ten packets a second.

python examples/traffic.py web.pcap web
"""

import struct
import sys

from bpfvm.obj.captures.pcap import write_capture
from bpfvm.testing import frames as made

PROTOCOLS = [6] * 12 + [17] * 7 + [1] * 3
ETHERNET = bytes.fromhex("02000000000202000000000108")
BROADCAST = bytes.fromhex("ffffffffffff0200000000010806")


def ipv4(number: int, proto: int) -> bytes:
    """An Ethernet frame with an IPv4 header and 26 bytes behind it."""
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 46, number, 0, 64, proto, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
    return ETHERNET + b"\0" + header + bytes(range(26))


def frames() -> list[bytes]:
    """The capture's frames, in order."""
    packets = [ipv4(number, proto) for number, proto in enumerate(PROTOCOLS)]
    return [*packets, BROADCAST + bytes(46), packets[0][:20]]


def web() -> list[bytes]:
    """Questions for example.org and its addresses, then requests with their answers."""
    name = b"\x07example\x03org\0"
    questions = [bytes(12) + name + struct.pack(">HH", kind, 1) for kind in (1, 28, 1)]
    said = [b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"POST /a HTTP/1.1\r\n\r\n", b"HTTP/1.1 204\r\n\r\n"]
    packets = [made.udp(one, dport=53) for one in questions] + [made.tcp(one, dport=80) for one in (*said, b"")]
    return [bytes(made.ethernet(made.ipv4(one))) for one in packets]


def flows() -> list[bytes]:
    """Three packets each of five clients' connections to one service; of the first client also one to another port and
    a question of the DNS, which the second asks too; one of ARP."""
    clients = [0x0A000001 + number for number in range(5)]
    turns = [made.tcp(said, sport=5000, dport=80) for said in (b"", b"GET /", b"")]
    packets = [made.ipv4(one, src=client, dst=0x0A090909) for one in turns for client in clients]
    packets.append(made.ipv4(made.tcp(sport=5001, dport=22), src=clients[0]))
    packets += [made.ipv4(made.udp(dport=53), src=client) for client in clients[:2]]
    return [*(bytes(made.ethernet(one)) for one in packets), BROADCAST + bytes(46)]


CAPTURES = {"web": web, "flows": flows}

if __name__ == "__main__":
    made_of = CAPTURES.get("".join(sys.argv[2:]))
    chosen, apart = (made_of(), 100_000_000) if made_of else (frames(), 1_000_000)
    write_capture(sys.argv[1], [(apart * number, frame) for number, frame in enumerate(chosen)])
