"""What the kernel makes of an Ethernet header on a packet's way in, as BPF_PROG_TEST_RUN shows it on 6.18."""

from __future__ import annotations

ETH = 14  # bytes of the header (ETH_HLEN)
VLAN = 4  # of a tag behind the addresses (VLAN_HLEN)
LEAST_TYPE = 0x0600  # smaller numbers are lengths (ETH_P_802_3_MIN)
IP, IPV6 = 0x0800, 0x86DD
TAGS = (0x8100, 0x88A8)  # ETH_P_8021Q, ETH_P_8021AD
RAW, LLC = 0x0001, 0x0004  # ETH_P_802_3, ETH_P_802_2
HOST, MULTICAST, OTHER_HOST = 0, 2, 3  # PACKET_* of include/uapi/linux/if_packet.h


def swapped(number: int) -> int:
    """A 16-bit number between network order and the order of a little-endian field."""
    return (number & 0xFF) << 8 | number >> 8 & 0xFF


def protocol(frame: bytes) -> int:
    """skb->protocol of a frame, in network order as a little-endian program reads it."""
    number = int.from_bytes(frame[12:ETH], "big")
    if number < LEAST_TYPE:
        number = RAW if frame[ETH : ETH + 2] == b"\xff\xff" else LLC
    return swapped(number)


def packet_type(frame: bytes) -> int:
    """skb->pkt_type: the loopback interface's own address is all zeros, and so is its broadcast address."""
    if frame[:1] and frame[0] & 1:
        return MULTICAST
    return OTHER_HOST if any(frame[:6]) else HOST


def header(packet: bytes) -> bytes:
    """An Ethernet header for a packet that begins with its IP header; what has no version that is known counts as 4."""
    version = packet[0] >> 4 if packet else 0
    return bytes(12) + (IPV6 if version == 6 else IP).to_bytes(2, "big")
