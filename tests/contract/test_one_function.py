"""The contract between machines in its smallest form: one function and one data file, on every machine."""

from __future__ import annotations

from pathlib import Path

import pytest

ISA = Path(__file__).resolve().parents[1] / "isa"


@pytest.mark.parametrize("engine", ["cpython", "interp"])
def test_counter_on_each_machine(engine: str) -> None:
    from bpfvm.run.outcome import Outcome
    from examples.proto import proto
    from examples.traffic import ipv4

    with proto.session(engine) as session:
        outcome: Outcome = session.outcome(proto.input((ipv4(0, 17),)))
        assert outcome.action == "XDP_PASS"
        assert outcome.maps["hits"][17] == 1


@pytest.mark.xfail(strict=True, reason="there is no machine yet")
def test_data_files_on_the_reference_tier() -> None:
    from bpfvm.core.machine import Input
    from bpfvm.run.backend import engine
    from bpfvm.testing.datafile import load_cases

    cases = load_cases(ISA)
    for case in cases:
        loaded = engine("interp").load(case.spec(), "case", {})
        assert loaded.run(Input(ctx=case.mem)).r0 == case.result, case.name
        loaded.close()
    print(f"{len(cases)} data files")
    assert len(cases) >= 50
