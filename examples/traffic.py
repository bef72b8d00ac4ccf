"""Write a small capture of made-up traffic: 12 TCP, 7 UDP and 3 ICMP packets, an ARP request and a truncated frame.

python examples/traffic.py traffic.pcap
"""

import struct
import sys

from bpfvm.obj.pcap import write_capture

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


if __name__ == "__main__":
    write_capture(sys.argv[1], [(1_000_000 * number, frame) for number, frame in enumerate(frames())])
