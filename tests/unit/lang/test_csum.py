"""The Internet checksum: of changed words as of the whole, and of headers that scapy sums."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bpfvm import bpf, csum_fold, csum_replace, csum_replace32, ip_csum, pkt, session

WORDS = st.lists(st.integers(0, 0xFFFF), min_size=3, max_size=30)


def whole(words: list[int]) -> int:
    return csum_fold(sum(words))


@given(WORDS, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.data())
def test_a_changed_word_is_as_good_as_a_new_sum(words: list[int], high: int, low: int, data: st.DataObject) -> None:
    """But that 0 and 0xffff are one sum (RFC 1624 section 3)."""
    at = data.draw(st.integers(0, len(words) - 2))
    before = whole(words)
    one = csum_replace(before, words[at], high)
    both = csum_replace32(before, words[at] << 16 | words[at + 1], high << 16 | low)
    words[at] = high
    assert one % 0xFFFF == whole(words) % 0xFFFF
    words[at + 1] = low
    assert both % 0xFFFF == whole(words) % 0xFFFF


def test_the_header_of_rfc_1071s_kind() -> None:
    header = bytes.fromhex("45000073000040004011b861c0a80001c0a800c7")
    words = [int.from_bytes(header[at : at + 2], "big") for at in range(0, 20, 2)]
    assert whole(words) == 0
    words[5] = 0
    assert whole(words) == 0xB861


@bpf.xdp
def summed(ctx: Any) -> int:
    """The sum of a header, over itself."""
    return ip_csum(pkt.ip)


@given(st.binary(min_size=60, max_size=60), st.integers(5, 15))
def test_a_header_with_options_is_the_sum_of_its_words(data: bytes, length: int) -> None:
    header = bytes([0x40 | length]) + data[1 : 4 * length]
    words = [int.from_bytes(header[at : at + 2], "big") for at in range(0, len(header), 2)]
    words[5] = 0
    frame = bytes(12) + b"\x08\x00" + header.ljust(60, b"\0")
    with session(summed, "interp") as runs:
        assert runs.run(frame).value == whole(words)


def test_a_checksum_fits_its_field() -> None:
    """A store of one was warned of (W115)."""

    @bpf.xdp
    def translated(ctx: Any) -> int:
        ip = pkt.ip
        ip.csum = csum_replace32(ip.csum, ip.dst, 0x7F000001)
        ip.udp.csum = csum_replace(ip.udp.csum, ip.udp.dport, 53)
        pkt.ip.csum = ip_csum(pkt.ip)
        return csum_fold(ip.src)

    assert not list(translated.compiled.warnings)


def test_loops_of_sums_are_no_work_for_a_verifier() -> None:
    """Six sums in a loop were 35,311 instructions when the sum's loop began at the header's first word."""

    @bpf.socket
    def often(skb: Any) -> int:
        total = 0
        for _ in range(6):
            total += ip_csum(pkt.ip)
        return total

    verdict = often.verify()
    assert verdict.verdict == "accept"
    assert 0 < verdict.processed < 8_000
