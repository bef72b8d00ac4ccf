"""Every function at every -mcpu: only its instructions, and CPython's outcome."""

from __future__ import annotations

import pytest

from tests.contract.levels import compare


@pytest.mark.parametrize("cpu", [1, 2, 3, 4])
@pytest.mark.parametrize("machine", ["interp", "portable"])
def test_every_level_means_the_same(cpu: int, machine: str) -> None:
    found = compare(cpu, machine, every=1 if machine == "interp" else 3)
    print(f"v{cpu} on {machine}: {dict(found.counts)}")
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["functions"] >= 80
    assert found.counts["runs"] >= (450 if machine == "interp" else 150)
