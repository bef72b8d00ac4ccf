"""The contract between machines in its smallest form: one function on every offline machine."""

from __future__ import annotations

import pytest

from examples.proto import proto
from examples.traffic import ipv4


@pytest.mark.parametrize("engine", ["cpython", "interp"])
def test_one_function_on_every_machine(engine: str) -> None:
    with proto.session(engine) as session:
        for number in (6, 17, 17):
            outcome = session.outcome(proto.input((ipv4(0, number),)))
            assert outcome.action == "XDP_PASS"
            assert outcome.fault is None
        assert {key: count for key, count in outcome.maps["hits"].items() if count} == {6: 1, 17: 2}
        short = session.outcome(proto.input((ipv4(0, 6)[:20],)))
        assert (short.action, short.fault and short.fault.kind) == ("XDP_PASS", "PacketError")
