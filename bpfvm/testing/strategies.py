"""Hypothesis strategies: values of storage types with their edges, arguments of programs, frames good and bad, maps.

    from hypothesis import given
    from bpfvm.testing import strategies as bpf

    @given(bpf.packets())
    def test_all_machines_agree(frame):
        program.check(frame)

Hypothesis is imported when a strategy is made; without it that is Unavailable, with what to install.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.lang.maps import Map
from bpfvm.lang.types.arrays import BYTES, ArrayType
from bpfvm.lang.types.interval import S64, Interval
from bpfvm.lang.types.layout import Layout, view
from bpfvm.lang.types.scalars import Storage
from bpfvm.program import Program
from bpfvm.testing import frames as made

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

MOST_PAYLOAD = 64  # bytes behind the headers of a frame


def _st() -> Any:
    try:
        from hypothesis import strategies
    except ImportError:
        raise Unavailable("bpfvm.testing.strategies takes the package hypothesis: pip install 'bpfvm[test]'") from None
    return strategies


# Numbers


def edges(range: Interval) -> list[int]:
    """0, 1, -1, powers of two and their neighbours, the ends: those that lie in the range, small ones first."""
    near = {power + by for bit in (*_BITS, 64) for power in (1 << bit, -(1 << bit)) for by in (-1, 0, 1)}
    inside = [one for one in {0, range.lo, range.lo + 1, range.hi - 1, range.hi, *near} if range.lo <= one <= range.hi]
    return sorted(inside, key=lambda one: (abs(one), one < 0))


_BITS = (0, 1, 3, 4, 7, 8, 15, 16, 24, 31, 32, 33, 47, 48, 52, 53, 62, 63)


def values(kind: Any) -> SearchStrategy[Any]:
    """Values of a type of the language: u8 to s64, be16 to be64, bool, int, structs and arrays. Edges come often.

    UsageError for any other.
    """
    st = _st()
    found: SearchStrategy[Any]
    if isinstance(kind, Layout):
        found = _stored(kind).map(lambda data: view(kind, bytearray(data)))
        return found
    if isinstance(kind, Storage) or kind is int:
        range = kind.range if isinstance(kind, Storage) else S64
        ends = sorted({max(0, range.lo), range.lo, range.hi}, key=abs)
        found = st.sampled_from(ends) | st.sampled_from(edges(range)) | st.integers(range.lo, range.hi)
        return found.map(kind) if isinstance(kind, Storage) and kind.is_modular else found
    if kind is bool:
        found = st.booleans()
        return found
    raise UsageError(f"values() takes a storage type such as u32, a struct, an array, bool or int, not {kind!r:.80}")


def _stored(kind: Any) -> SearchStrategy[bytes]:
    """The bytes of a value in memory; padding is zero, as it always is."""
    st = _st()
    found: SearchStrategy[bytes]
    if isinstance(kind, Storage):
        found = values(kind).map(kind.pack)
    elif isinstance(kind, ArrayType) and kind.__element__ in BYTES:
        size = kind.__length__
        found = st.binary(max_size=size).map(lambda data: data.ljust(size, b"\0")) | st.binary(
            min_size=size, max_size=size
        )
    else:
        parts = dict(kind.__parts__())  # a unit of bit-fields once
        found = st.tuples(*map(_stored, parts.values())).map(lambda made: _placed(kind, zip(parts, made, strict=True)))
    return found


def _placed(kind: Layout, parts: Iterable[tuple[int, bytes]]) -> bytes:
    memory = bytearray(kind.__image__)
    for at, data in parts:
        memory[at : at + len(data)] = data
    return bytes(memory)


def arguments(program: Program) -> SearchStrategy[tuple[Any, ...]]:
    """Arguments of a function of scalars, for `program.check(*given)`. UsageError for a program that takes a packet."""
    if program.signature is None:
        raise UsageError(f"{program.name} takes a packet: see packets()")
    found: SearchStrategy[tuple[Any, ...]] = _st().tuples(
        *(values(one.annotation) for _, one in program.signature.params)
    )
    return found


def map_states(declared: Map, most: int = 8) -> SearchStrategy[dict[Any, Any]]:
    """Contents of a map before a run, for `maps={name: contents}`: up to `most` keys with their values.
    Those of each CPU are of one CPU; queues and stacks have numbers for keys."""
    st = _st()
    if not isinstance(declared, Map) or declared.value is None:
        raise UsageError(f"map_states() takes a declared map that holds values, not {declared!r:.80}")
    held = values(declared.value)
    if "percpu" in declared.type:
        held = held.map(lambda one: [one])
    if declared.key is None:
        found: SearchStrategy[dict[Any, Any]] = st.lists(held, max_size=min(most, declared.max_entries)).map(
            lambda made: dict(enumerate(made))
        )
        return found
    keys = values(declared.key)
    if declared.type in ("array", "percpu_array"):
        last = declared.max_entries - 1
        keys = st.sampled_from(edges(Interval(0, last))) | st.integers(0, last)
    size = min(most, declared.max_entries)
    found = st.dictionaries(keys, held, max_size=size)
    return found


# Frames


def payloads() -> SearchStrategy[bytes]:
    """What stands behind the last header."""
    found: SearchStrategy[bytes] = _st().binary(max_size=MOST_PAYLOAD)
    return found


def _number(bits: int, *likely: int) -> SearchStrategy[int]:
    """Numbers of a field: likely ones, then those at its edges."""
    first = dict.fromkeys((*likely, 0))
    found: SearchStrategy[int] = _st().sampled_from([*first, *(one for one in _ends(bits) if one not in first)])
    return found


def _ends(bits: int) -> list[int]:
    return [1, 2, (1 << bits - 1) - 1, 1 << bits - 1, (1 << bits) - 2, (1 << bits) - 1]


def _layer(make: Callable[..., bytes], payload: Any, **fields: Any) -> SearchStrategy[bytes]:
    found: SearchStrategy[bytes] = _st().builds(make, payload, **fields)
    return found


def udp(payload: SearchStrategy[bytes] | None = None) -> SearchStrategy[bytes]:
    """UDP datagrams."""
    return _layer(made.udp, payload or payloads(), sport=_number(16, 1024, 53), dport=_number(16, 53, 443, 4789))


def tcp(payload: SearchStrategy[bytes] | None = None) -> SearchStrategy[bytes]:
    """TCP segments, with options now and then."""
    st = _st()
    mss, padding = b"\x02\x04\x05\xb4", b"\x01"
    options = st.lists(st.sampled_from([mss, padding, b"\x03\x03\x07"]), max_size=4).map(b"".join)
    return _layer(
        made.tcp, payload or payloads(), sport=_number(16, 1024), dport=_number(16, 22, 80, 443), seq=_number(32),
        ack=_number(32), flags=st.integers(0, 255) | st.sampled_from([2, 18, 16, 24, 17, 4]), window=_number(16, 65535),
        options=options,
    )  # fmt: skip


def icmp(payload: SearchStrategy[bytes] | None = None) -> SearchStrategy[bytes]:
    """ICMP messages."""
    types = _st().sampled_from([0, 3, 5, 8, 11])
    return _layer(made.icmp, payload or payloads(), type=types, code=_number(8), rest=_number(32))


def _transport() -> SearchStrategy[bytes]:
    return tcp() | udp() | icmp() | payloads()


def ipv4(payload: SearchStrategy[bytes] | None = None) -> SearchStrategy[bytes]:
    """IPv4 packets of TCP, UDP, ICMP or another protocol; with options and as fragments now and then."""
    st = _st()
    return _layer(
        made.ipv4, payload if payload is not None else _transport(), src=_number(32, made.ADDRESS, 0x7F000001),
        dst=_number(32, made.TO_ADDRESS, 0xE0000001), ttl=_number(8, 64, 1, 0), tos=_number(8), id=_number(16),
        frag=st.sampled_from([0, 0, 0, 0x4000, 0x2000, 0x2001, 0x1FFF]),
        options=st.sampled_from([b"", b"", b"", b"\x01" * 4, b"\x94\x04\0\0", b"\x01" * 40]),
    )  # fmt: skip


def ipv6(payload: SearchStrategy[bytes] | None = None) -> SearchStrategy[bytes]:
    """IPv6 packets without extension headers."""
    return _layer(
        made.ipv6, payload if payload is not None else _transport(), src=_number(128, made.ADDRESS6, 1),
        dst=_number(128, made.TO_ADDRESS6, 0xFF02 << 112 | 1), hops=_number(8, 64, 1, 0), traffic=_number(8),
        flow=_number(20),
    )  # fmt: skip


def vlan(payload: SearchStrategy[bytes] | None = None) -> SearchStrategy[bytes]:
    """One 802.1Q tag, or two, before an IP packet."""
    inner = payload if payload is not None else ipv4() | ipv6()
    tagged = _layer(made.vlan, inner, id=_number(12, 1, 100), priority=_number(3))
    return tagged | _layer(made.vlan, tagged, id=_number(12, 1, 100), tag=_st().just(0x88A8))


def ethernet(payload: SearchStrategy[bytes] | None = None) -> SearchStrategy[bytes]:
    """Ethernet frames of `payload`, by default of IP packets, tagged ones, ARP's and other types."""
    st = _st()
    addresses = st.sampled_from([made.MAC, made.TO_MAC, b"\xff" * 6, b"\x01\0\x5e\0\0\x01"])
    if payload is not None:
        return _layer(made.ethernet, payload, src=addresses, dst=addresses)
    types = st.sampled_from([0x0806, 0x0800, 0x86DD, 0x88CC, 0, 0x0600, 0xFFFF])
    other = _layer(made.ethernet, payloads(), type=types, src=addresses, dst=addresses)
    return ethernet(ipv4()) | ethernet(ipv6()) | ethernet(vlan()) | other


def frames() -> SearchStrategy[bytes]:
    """Well-formed frames: lengths and checksums are right."""
    return ethernet()


def damaged(whole: SearchStrategy[bytes] | None = None, least: int = 0) -> SearchStrategy[bytes]:
    """Frames cut short anywhere, with bytes changed or put in, or of nothing but chance; `least` bytes or more.

    BPF_PROG_TEST_RUN takes no frame under 14 bytes.
    """
    st = _st()
    first, count, damage = whole if whole is not None else frames(), st.integers(1, 3), st.sampled_from(_DAMAGES)

    @st.composite  # type: ignore[untyped-decorator]
    def strategy(draw: DrawFn) -> bytes:
        data = bytearray(draw(first))
        for _ in range(draw(count)):
            draw(damage)(data, draw)
        return bytes(data + bytes(max(0, least - len(data))))

    found: SearchStrategy[bytes] = strategy() | st.binary(min_size=least, max_size=max(least, MOST_PAYLOAD))
    return found


def packets(least: int = 14) -> SearchStrategy[bytes]:
    """Frames good and bad, for programs that have to end well on each."""
    return frames() | damaged(least=least)


def _cut(data: bytearray, draw: DrawFn) -> None:
    del data[draw(_st().integers(0, len(data))) :]


def _change(data: bytearray, draw: DrawFn) -> None:
    if data:
        at = draw(_st().integers(0, len(data) - 1))
        data[at] = draw(_st().sampled_from([0, 1, 0x7F, 0x80, 0xFF, data[at] ^ 1, data[at] ^ 0x10, data[at] ^ 0x80]))


def _insert(data: bytearray, draw: DrawFn) -> None:
    at = draw(_st().integers(0, len(data)))
    data[at:at] = draw(_st().binary(min_size=1, max_size=8))


_DAMAGES: Sequence[Callable[[bytearray, Any], None]] = (_cut, _change, _change, _insert)
