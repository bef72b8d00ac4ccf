"""SYN cookies that programs make and check by themselves: numbers that a connection's first packet is answered by.

A cookie is made of addresses, ports, the sequence number, the minute, and which of four segment sizes was meant. The
kernel's are keyed by a secret of each boot; here the key is none, so that they are the same on every machine.
"""

from __future__ import annotations

import errno
import zlib
from collections.abc import Mapping

from bpfvm.core.bits import M32
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller

TCP = 20  # bytes of a header without options
MINUTE, OLDEST = 60_000_000_000, 2  # a cookie is good in its own minute and in the next
SIZES: Mapping[int, tuple[int, ...]] = {  # segment sizes that a cookie can tell, by IP version (measured on 6.18)
    4: (536, 1300, 1440, 1460),
    6: (1220, 1420, 1440, 8940),
}
_END, _NOTHING, _MSS = 0, 1, 2  # kinds of TCP options
_TIME, _SIZE = 24, 22  # where minute and size stand in a cookie; the sum is below


def _wanted_size(options: bytes) -> int:
    """The segment size among TCP's options, the last one before damage where there are more; 0 for none."""
    at = found = 0
    while at < len(options) and options[at] != _END:
        if options[at] == _NOTHING:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2 or at + length > len(options):
            break
        if options[at] == _MSS and length == 4:
            found = int.from_bytes(options[at + 2 : at + 4], "big") or found
        at += length
    return found


def _cookie(flow: bytes, sequence: int, minute: int, index: int) -> int:
    known = flow + minute.to_bytes(8, "big") + bytes([index])
    low = zlib.crc32(known + sequence.to_bytes(4, "big")) & (1 << _SIZE) - 1
    return ((minute & 0xFF) << _TIME | index << _SIZE | low) + sequence + zlib.crc32(flow) & M32


def _flow(version: int, ip: bytes, tcp: bytes) -> bytes:
    return (ip[12:20] if version == 4 else ip[8:40]) + tcp[:4]


def _number(tcp: bytes, at: int) -> int:
    return int.from_bytes(tcp[at : at + 4], "big")


def _generate(version: int) -> Function:
    def helper(caller: Caller, ip: bytes, tcp: bytes, size: int) -> int:
        """The cookie, and from bit 32 the segment size; -EINVAL where the header's length is not the one it tells."""
        if size < TCP or size != 4 * (tcp[12] >> 4):
            return -errno.EINVAL
        sizes = SIZES[version]
        wanted = _wanted_size(tcp[TCP:]) or sizes[0]
        index = max((at for at in range(len(sizes)) if sizes[at] <= wanted), default=0)
        minute = caller.system.now // MINUTE
        return _cookie(_flow(version, ip, tcp), _number(tcp, 4), minute, index) | sizes[index] << 32

    return helper


def _check(version: int) -> Function:
    def helper(caller: Caller, ip: bytes, tcp: bytes) -> int:
        """0 where the packet acknowledges a cookie of this minute or the last, else -EACCES."""
        flow, cookie, sequence = _flow(version, ip, tcp), _number(tcp, 8) - 1 & M32, _number(tcp, 4) - 1 & M32
        now = caller.system.now // MINUTE
        minutes = range(max(now - OLDEST + 1, 0), now + 1)
        good = any(_cookie(flow, sequence, minute, index) == cookie for minute in minutes for index in range(4))
        return 0 if good else -errno.EACCES

    return helper


HELPERS: Mapping[str, Function] = {
    **{f"tcp_raw_gen_syncookie_ipv{version}": _generate(version) for version in SIZES},
    **{f"tcp_raw_check_syncookie_ipv{version}": _check(version) for version in SIZES},
}
