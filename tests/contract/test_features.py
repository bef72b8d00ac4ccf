"""33 programs of one feature each compile, mean what CPython means by them, and say where they cannot be."""

from __future__ import annotations

import pytest

from bpfvm import bpf, u32, u64
from tests.contract.probes import FEATURES, REFUSED, Probe
from tests.engines import EMULATORS


@pytest.mark.parametrize("probe", FEATURES, ids=lambda probe: probe.function.__name__)
def test_a_feature_compiles_and_runs(probe: Probe) -> None:
    outcome = bpf.function(probe.function).check(*probe.given)
    assert (outcome.value, outcome.trace, outcome.fault) == (probe.wanted, list(probe.trace), None)
    assert len(outcome.engines) > len(EMULATORS)


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_names_its_line(what: str) -> None:
    text, code = REFUSED[what]
    (diag,) = bpf.function(bpf.exec(text, {"u32": u32, "u64": u64})["f"]).diagnose()
    assert (diag.code, diag.span.line if diag.span else 0) == (code, 2)
    assert diag.help


def test_there_are_33() -> None:
    print(f"{len(FEATURES)} that run, {len(REFUSED)} that are refused")
    assert len(FEATURES) + len(REFUSED) == 33
