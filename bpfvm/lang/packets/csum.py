"""The Internet checksum (RFC 1071), and its update where a field changes (RFC 1624). Plain functions: programs have
them written out in place. Numbers are in host order, as fields of headers are."""

from __future__ import annotations

from typing import Any

_WORD = 0xFFFF


def csum_fold(total: int) -> int:
    """The checksum of bytes whose 16-bit words add up to `total`, which is less than 2**32."""
    total = (total & _WORD) + (total >> 16)
    # The second carry cannot carry again; a mask behind it is what shows that 16 bits hold the sum.
    return (total + (total >> 16) & _WORD) ^ _WORD


def csum_replace(csum: int, old: int, new: int) -> int:
    """The checksum `csum` after a 16-bit word under it has changed from `old` to `new` (RFC 1624 equation 3)."""
    return csum_fold((csum & _WORD ^ _WORD) + (old & _WORD ^ _WORD) + (new & _WORD))


def csum_replace32(csum: int, old: int, new: int) -> int:
    """The same for 32 bits, such as an address."""
    return csum_replace(csum_replace(csum, old >> 16, new >> 16), old, new)


def ip_csum(ip: Any) -> int:
    """The checksum of an IPv4 header with its options, whatever stands in its checksum field: pkt.ip.csum =
    ip_csum(pkt.ip). A header has 20 bytes or more, whatever its length says."""
    # Words of 32 bits, which are the same sum mod 0xffff; and few headers have options. A loop that begins at 0 would
    # be six times as much for a verifier to walk through, with 31 ways out of it.
    total = 0xFFFF + int.from_bytes(ip[0:2], "big") + ip.len + int.from_bytes(ip[4:8], "big")
    total += int.from_bytes(ip[8:10], "big") + ip.src + ip.dst
    for i in range(20, ip.ihl * 4, 4):
        total += int.from_bytes(ip[i : i + 4], "big")
    return csum_fold((total & _WORD) + (total >> 16))
