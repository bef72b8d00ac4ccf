"""The contract between machines in its smallest form: one function and the data files, on every offline machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.testing.datafile import load_cases
from examples.proto import proto
from examples.traffic import ipv4
from tests.contract.data_files import failures

ISA = Path(__file__).resolve().parents[1] / "isa"


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


def test_data_files_on_the_reference_tier() -> None:
    compared, wrong = failures("interp", load_cases(ISA))
    print(f"{compared} cases")
    assert wrong == []
    assert compared >= 100
