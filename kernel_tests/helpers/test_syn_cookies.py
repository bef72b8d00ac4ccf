"""SYN cookies that programs make and check: results are equal on all machines, but for the cookies' own numbers."""

from __future__ import annotations

import random
import struct
from contextlib import closing

import pytest

from bpfvm.core.machine import Input
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from bpfvm.tables.helpers import BY_NAME
from tests.engines import EMULATORS

# args: an IP header at 0, TCP's at 40, its length at 104, what the answer's sequence number is off at 112, results
# at 120 and 128. The answer's header is made in place: sequence + 1, acknowledged: cookie + 1 + what is off.
TEXT = """
r6 = map[args]+0
r1 = r6
r2 = r6
r2 += 40
r3 = *(u64 *)(r6 +104)
r3 &= 63
call tcp_raw_gen_syncookie_ipv{version}
*(u64 *)(r6 +120) = r0
if r0 s< 0 goto out
r1 = r0
r2 = *(u64 *)(r6 +112)
r1 += r2
r1 += 1
r1 = be32 r1
*(u32 *)(r6 +48) = r1
r1 = *(u32 *)(r6 +44)
r1 = be32 r1
r1 += 1
r1 = be32 r1
*(u32 *)(r6 +44) = r1
r1 = r6
r2 = r6
r2 += 40
call tcp_raw_check_syncookie_ipv{version}
*(u64 *)(r6 +128) = r0
out: r0 = 2
exit
"""


def headers(source: random.Random, version: int) -> tuple[bytes, bool]:
    """The map's contents, and whether the cookie is given back as it is."""
    tcp, words = bytearray(source.randbytes(64)), source.randrange(5, 16)
    options = b"".join(source.choice([
        b"\1", b"\2\4" + source.choice([0, 1, 536, 1219, 1220, 1300, 1440, 1459, 1460, 8940, 65535]).to_bytes(2, "big"),
        b"\3\3\7", b"\4\2", b"\2\3\5", b"\0", b"\x08\x0a" + bytes(8), b"\5\xff",
    ]) for _ in range(source.randrange(6)))[: 4 * (words - 5)]  # fmt: skip
    tcp[20 : 20 + len(options)] = options
    tcp[20 + len(options) : 4 * words] = b"\1" * (4 * (words - 5) - len(options))
    tcp[12] = words << 4
    length = 4 * words if source.random() < 0.85 else source.randrange(64)
    off = source.choice([0, 0, 0, 1 << 12, 1 << 20, 1 << 24, (1 << 64) - (1 << 23)])
    return source.randbytes(40) + bytes(tcp) + struct.pack("<4Q", length, off, 0, 0), off == 0


@pytest.mark.parametrize("version", [4, 6])
def test_cookies(version: int) -> None:
    insns = assemble(TEXT.format(version=version), helper=lambda name: BY_NAME[name].id if name in BY_NAME else None)
    spec = ObjectSpec(
        {"p": ProgramSpec("p", "xdp", "xdp", tuple(insns))}, {"args": MapSpec("args", "array", 4, 136, 1)}
    )
    source, good = random.Random(version), 0
    given = [headers(source, version) for _ in range(600)]
    found: list[list[tuple[int, int]]] = []
    for name in (*EMULATORS, "kernel"):
        if name == "cpython":
            continue
        with closing(engine(name).load(spec, "p", {})) as loaded:
            results = []
            for contents, _ in given:
                loaded.write_map("args", [(bytes(4), contents)])
                result = loaded.run(Input(packet=bytes(64)))
                assert (result.fault, result.r0) == (None, 2), name
                value = loaded.read_map("args")[0][1]
                assert isinstance(value, bytes)
                made, checked = struct.unpack_from("<2q", value, 120)
                results.append((made >> 32, checked))
            found.append(results)
    for results in found:
        assert results == found[-1]
    for (_, is_same), (made, checked) in zip(given, found[-1], strict=True):
        assert made < 0 or checked == (0 if is_same else -13)
        good += made > 0 and not checked
    print(f"{good} of {len(given)} cookies taken, sizes {sorted({made for made, _ in found[-1] if made > 0})}")
    assert good >= 100
