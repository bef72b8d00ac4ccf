"""Packets and messages given to sockets: what is recorded, by what stands in the map and by flags."""

from __future__ import annotations

from contextlib import closing

import pytest

from bpfvm.core.machine import Entries, Input, Result
from bpfvm.emulator.machine import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from tests.engines import EMULATORS

FRAME = bytes.fromhex("0200000000010200000000020800") + b"\x45" + bytes(range(49))
ENGINES = pytest.mark.parametrize("engine", EMULATORS)


def run(kind: str, text: str, map_type: str, engine: str) -> Result:
    """One run with a socket under 2 of the map."""
    spec = ObjectSpec(
        {"p": ProgramSpec("p", kind, kind, tuple(assemble(text)))}, {"socks": MapSpec("socks", map_type, 4, 8, 4)}
    )
    entries: Entries = [(b"\2\0\0\0", (77).to_bytes(8, "little"))]
    with closing(Emulator(engine).load(spec, "p", {"socks": entries})) as loaded:
        return loaded.run(Input(packet=FRAME))


@ENGINES
@pytest.mark.parametrize(("kind", "by_index", "by_key"), [("sk_skb", 52, 72), ("sk_msg", 60, 71)])
@pytest.mark.parametrize(
    ("key", "flags", "wanted"),
    [(2, 0, ""), (2, 1, " ingress"), (1, 0, None), (2, 2, None), (2, 1 << 32, None), (9, 0, None)],
)
def test_to_sockets(
    engine: str, kind: str, by_index: int, by_key: int, key: int, flags: int, wanted: str | None
) -> None:
    head = f"*(u32 *)(r10 -4) = {key}\nr2 = map[socks]\nr4 = {flags} ll\n"
    for map_type, text, place in (
        ("sockmap", f"{head}r3 = {key}\ncall {by_index}\nexit\n", "sockmap socks[2]"),
        ("sockhash", f"{head}r3 = r10\nr3 += -4\ncall {by_key}\nexit\n", "sockhash socks[02000000]"),
    ):
        result = run(kind, text, map_type, engine)
        assert result.fault is None, result.fault
        assert result.r0 == (wanted is not None)
        assert result.redirect == (None if wanted is None else place + wanted)


@ENGINES
def test_a_message_that_is_dropped_goes_nowhere(engine: str) -> None:
    text = "r2 = map[socks]\nr3 = 2\nr4 = 0\ncall 52\nr0 = 0\nexit\n"
    assert run("sk_skb", text, "sockmap", engine).redirect is None


@ENGINES
@pytest.mark.parametrize("map_type", ["reuseport_sockarray", "sockmap"])
@pytest.mark.parametrize(("key", "flags", "wanted"), [(2, 0, 0), (1, 0, -2), (2, 1, -22)])
def test_among_those_that_share_a_port(engine: str, map_type: str, key: int, flags: int, wanted: int) -> None:
    text = f"*(u32 *)(r10 -4) = {key}\nr2 = map[socks]\nr3 = r10\nr3 += -4\nr4 = {flags}\ncall 82\n"
    result = run("sk_reuseport", text + "r6 = r0\nr0 = 1\nif r6 == 0 goto out\nr0 = 0\nout: exit\n", map_type, engine)
    assert result.fault is None, result.fault
    assert result.r0 == (wanted == 0)
    assert result.redirect == (f"{map_type} socks[2]" if wanted == 0 else None)


@ENGINES
def test_a_map_of_another_type(engine: str) -> None:
    for kind, number in (("sk_skb", 52), ("sk_msg", 60)):
        result = run(kind, f"r2 = map[socks]\nr3 = 2\nr4 = 0\ncall {number}\nexit\n", "sockhash", engine)
        assert result.fault is not None
        assert "redirect_map does not take a sockhash map" in result.fault.message
