"""SYN cookies offline: good in their own minute and the next, for their own connection; options as the kernel's.

kernel_tests/helpers/test_syn_cookies.py compares what they tell.
"""

from __future__ import annotations

import pytest

from bpfvm.emulator.helpers.cookies import HELPERS, MINUTE, SIZES
from bpfvm.emulator.system import System
from bpfvm.obj.model import ObjectSpec


class Clock:
    """As much of a caller as these helpers ask."""

    def __init__(self, now: int) -> None:
        self.system = System(ObjectSpec({}, {}), [])
        self.system.now = now


def header(sequence: int, acknowledged: int, options: bytes = b"", port: int = 80) -> bytes:
    words = 5 + len(options) // 4
    numbers = sequence.to_bytes(4, "big") + acknowledged.to_bytes(4, "big")
    return b"\x30\x39" + port.to_bytes(2, "big") + numbers + bytes([words << 4, 2]) + bytes(6) + options


@pytest.mark.parametrize("version", SIZES)
def test_a_cookie_is_good_for_two_minutes(version: int) -> None:
    make, check = (HELPERS[f"tcp_raw_{verb}_syncookie_ipv{version}"] for verb in ("gen", "check"))
    ip, start = bytes(range(20 if version == 4 else 40)), 5 * MINUTE + 17
    made = make(Clock(start), ip, header(1000, 0, b"\2\4\5\xb4"), 24)
    assert isinstance(made, int)
    cookie, size = made & 0xFFFF_FFFF, made >> 32
    assert size == max(one for one in SIZES[version] if one <= 1460)
    answer = header(1001, cookie + 1 & 0xFFFF_FFFF)
    results = [check(Clock(start + wait * MINUTE), ip, answer) for wait in (0, 1, 2, 255, 256)]
    assert results == [0, 0, -13, -13, -13]
    wrong = (header(1002, cookie + 1), header(1001, cookie + 2), header(1001, cookie + 1, port=81))
    assert [check(Clock(start), ip, one) for one in wrong] == [-13] * 3
    assert check(Clock(start), ip[::-1], answer) == -13


@pytest.mark.parametrize(("options", "size"), [
    (b"", 536), (b"\2\4\5\xb4", 1460), (b"\1\1\1\0\2\4\5\xb4", 536), (b"\2\4\5\x14\2\4\5\xb4", 1460),
    (b"\2\4\5\xb4\2\4\0\0", 1460), (b"\2\4\5\xb4\x08\x40\0\0", 1460), (b"\x08\x40\0\0\2\4\5\xb4", 536),
    (b"\2\4\0\1", 536),    (b"\1\1\1\2", 536), (b"\2\0\0\0", 536),
])  # fmt: skip
def test_the_size_among_the_options(options: bytes, size: int) -> None:
    make = HELPERS["tcp_raw_gen_syncookie_ipv4"]
    made = make(Clock(0), bytes(20), header(1, 0, options), 20 + len(options))
    assert isinstance(made, int)
    assert made >> 32 == size
    assert make(Clock(0), bytes(20), header(1, 0, options), 24 + len(options)) == -22
    assert make(Clock(0), bytes(20), header(1, 0, options)[:19], 19) == -22
