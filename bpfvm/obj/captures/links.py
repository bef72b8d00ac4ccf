"""Link types: what a captured packet begins with, and what programs see of it.

A capture says what its packets begin with; a program type says what its programs see first (tables.progs, `layer`): an
Ethernet header ("eth") or the IP header ("ip"). `conversion` makes one of the other. Headers that no packet brought are
made: Ethernet addresses are 0 but for what a cooked header knows, the sender's address and whether it was a broadcast.
A frame check sequence at a frame's end stays there, as in what other readers give.

Numbers and headers: the registry of LINKTYPE_ values (draft-ietf-opsawg-pcaplinktype).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError

ETHERNET, RAW, COOKED, IPV4, IPV6, COOKED2 = 1, 101, 113, 228, 229, 276
_RAW = (RAW, 12, 14)  # 12 and 14: DLT_RAW of most systems and of OpenBSD, which stand in files too

NAMES: Mapping[int, str] = {
    0: "NULL", 1: "ETHERNET", 2: "EXP_ETHERNET", 3: "AX25", 4: "PRONET", 5: "CHAOS", 6: "IEEE802_5", 7: "ARCNET_BSD",
    8: "SLIP", 9: "PPP", 10: "FDDI", 12: "RAW", 14: "RAW", 50: "PPP_HDLC", 51: "PPP_ETHER", 99: "SYMANTEC_FIREWALL",
    100: "ATM_RFC1483", 101: "RAW", 104: "C_HDLC", 105: "IEEE802_11", 107: "FRELAY", 108: "LOOP", 113: "LINUX_SLL",
    114: "LTALK", 117: "PFLOG", 119: "IEEE802_11_PRISM", 122: "IP_OVER_FC", 123: "SUNATM",
    127: "IEEE802_11_RADIOTAP", 129: "ARCNET_LINUX", 138: "APPLE_IP_OVER_IEEE1394", 140: "MTP2", 141: "MTP3",
    143: "DOCSIS", 144: "LINUX_IRDA", 147: "USER0", 162: "USER15", 163: "IEEE802_11_AVS", 165: "BACNET_MS_TP",
    166: "PPP_PPPD", 169: "GPRS_LLC", 177: "LINUX_LAPD", 187: "BLUETOOTH_HCI_H4", 189: "USB_LINUX", 192: "PPI",
    195: "IEEE802_15_4_WITHFCS", 197: "ERF", 201: "BLUETOOTH_HCI_H4_WITH_PHDR", 209: "IPMB_LINUX",
    220: "USB_LINUX_MMAPPED", 226: "IPNET", 227: "CAN_SOCKETCAN", 228: "IPV4", 229: "IPV6",
    230: "IEEE802_15_4_NOFCS", 231: "DBUS", 235: "DVB_CI", 239: "NFLOG", 240: "NETANALYZER", 242: "IPOIB",
    243: "MPEG_2_TS", 247: "INFINIBAND", 248: "SCTP", 249: "USBPCAP", 251: "BLUETOOTH_LE_LL",
    252: "WIRESHARK_UPPER_PDU",
    253: "NETLINK", 254: "BLUETOOTH_LINUX_MONITOR", 256: "BLUETOOTH_LE_LL_WITH_PHDR", 258: "PKTAP", 265: "NORDIC_BLE",
    266: "DOCSIS31_XRA31", 271: "VSOCK", 273: "OPENVIZSLA", 274: "EBHSCR", 276: "LINUX_SLL2",
}  # fmt: skip

READ = "Ethernet, raw IP and Linux cooked packets are read"

_IP = {4: 0x0800, 6: 0x86DD}  # IP version -> EtherType
_TAGS = (0x8100, 0x88A8)  # 802.1Q, 802.1ad
_HEADER, _LEAST_TYPE = 14, 0x0600  # of Ethernet; below the least EtherType a length stands in its place
_COOKED = struct.Struct(">HHH8sH")  # to whom, ARPHRD, address length, address, protocol
_COOKED2 = struct.Struct(">HHIHBB8s")  # protocol, 0, interface, ARPHRD, to whom, address length, address
_BROADCAST = 1  # to whom: LINUX_SLL_BROADCAST
_NO_TYPE = {280: "CAN", 770: "FRAD", 803: "IEEE80211_RADIOTAP", 824: "NETLINK"}  # ARPHRD_
_UNTYPED = (1, 4)  # protocols of 802.3 frames: raw, and with an LLC header behind the length

# A packet as captured and its length on the wire -> the frame, or why no program sees such a packet.
Convert: TypeAlias = Callable[[memoryview, int], "bytes | memoryview | str"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """note: what is done to the packets, where programs could tell; "" where a header is only left out."""

    convert: Convert
    note: str = ""


def name(link: int) -> str:
    """A link type in words."""
    return f"link type {link} ({NAMES[link]})" if link in NAMES else f"link type {link}"


def conversion(link: int, layer: str) -> Conversion | None:
    """How packets of a link type become what programs of `layer` see; None: they are that.

    LoadError names a link type that is not read.
    """
    if link == ETHERNET:
        return Conversion(_network_of_ethernet) if layer == "ip" else None
    cooked = {COOKED: _cooked, COOKED2: _cooked2}.get(link)
    if link not in _RAW and link not in (IPV4, IPV6) and cooked is None:
        raise LoadError(f"{name(link)} is not read; {READ}")
    if layer == "ip":
        return Conversion(partial(_network_of_cooked, cooked) if cooked else _network)
    made = f"{name(link)} has no Ethernet header, so each packet gets one"
    if cooked:
        return Conversion(partial(_ethernet_of_cooked, cooked), f"{made}, by its cooked header")
    return Conversion(_ethernet_of_raw, f"{made}: addresses 0, the EtherType by its IP version")


def output_link(layer: str) -> int:
    """The link type of what programs of `layer` see."""
    return RAW if layer == "ip" else ETHERNET


def _version(packet: memoryview) -> int:
    return packet[0] >> 4 if len(packet) else 0


def _no_ip(packet: memoryview) -> str:
    return f"IP version {_version(packet)} does not exist" if len(packet) else "it has no bytes"


def _network(packet: memoryview, length: int) -> memoryview | str:
    return packet if _version(packet) in _IP else _no_ip(packet)


def _ethernet_of_raw(packet: memoryview, length: int) -> bytes | str:
    kind = _IP.get(_version(packet))
    return bytes(12) + kind.to_bytes(2) + packet if kind is not None else _no_ip(packet)


def _network_of_ethernet(packet: memoryview, length: int) -> memoryview | str:
    """The IP packet in a frame, behind any VLAN tags, which the kernel has taken off before such a hook."""
    at = _HEADER - 2
    while at + 2 <= len(packet):
        kind = packet[at] << 8 | packet[at + 1]
        at += 2
        if kind in _IP.values():
            return packet[at:]
        if kind not in _TAGS:
            return f"it is not IP but {_type(kind)}"
        at += 2
    return "it ends in its Ethernet header"


def _type(kind: int) -> str:
    return f"EtherType {kind:#06x}" if kind >= _LEAST_TYPE else "802.3 without an EtherType"


@dataclass(frozen=True, slots=True)
class _Cooked:
    """What a cooked header tells. sender: 6 bytes of an Ethernet address, 0 where it is none."""

    protocol: int
    hardware: int
    broadcast: bool
    sender: bytes
    payload: memoryview


def _cooked(packet: memoryview) -> _Cooked | str:
    if len(packet) < _COOKED.size:
        return f"it ends in its cooked header, which has {octets(_COOKED.size)}"
    to, hardware, size, address, protocol = _COOKED.unpack_from(packet)
    return _Cooked(protocol, hardware, to == _BROADCAST, _sender(address, size), packet[_COOKED.size :])


def _cooked2(packet: memoryview) -> _Cooked | str:
    if len(packet) < _COOKED2.size:
        return f"it ends in its cooked header, which has {octets(_COOKED2.size)}"
    protocol, _, _, hardware, to, size, address = _COOKED2.unpack_from(packet)
    return _Cooked(protocol, hardware, to == _BROADCAST, _sender(address, size), packet[_COOKED2.size :])


def _sender(address: bytes, size: int) -> bytes:
    return address[:6] if size == 6 else bytes(6)


def _ethernet_of_cooked(header: Callable[[memoryview], _Cooked | str], packet: memoryview, length: int) -> bytes | str:
    found = header(packet)
    if isinstance(found, str):
        return found
    kind = found.protocol
    if found.hardware in _NO_TYPE:
        return f"its cooked header is of {_NO_TYPE[found.hardware]} (ARPHRD {found.hardware}), which has no EtherType"
    if kind in _UNTYPED:
        kind = length - (len(packet) - len(found.payload))  # 802.3: the length of what follows
        if not 0 <= kind < _LEAST_TYPE:
            return f"an 802.3 frame of {octets(kind)} does not exist"
    elif kind < _LEAST_TYPE:
        return f"protocol {kind:#06x} of its cooked header is no EtherType"
    to = b"\xff" * 6 if found.broadcast else bytes(6)
    return to + found.sender + kind.to_bytes(2) + found.payload


def _network_of_cooked(
    header: Callable[[memoryview], _Cooked | str], packet: memoryview, length: int
) -> memoryview | str:
    found = header(packet)
    if isinstance(found, str):
        return found
    if found.hardware in _NO_TYPE or found.protocol not in _IP.values():
        return f"it is not IP but protocol {found.protocol:#06x}"
    return found.payload
