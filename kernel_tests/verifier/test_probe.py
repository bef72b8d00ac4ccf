"""`bpfvm probe` on the kernel that is modelled: nothing differs; a planted difference is named."""

from __future__ import annotations

import json

import pytest

from bpfvm.cli import status
from bpfvm.tables import behaviours
from bpfvm.tables.behaviours import Behaviour
from kernel_tests.loading import release

pytestmark = pytest.mark.skipif(release() != (6, 18), reason="the model is of another version than this kernel")


def test_nothing_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["probe", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["differences"] == []
    helpers, contexts, results = (sum(map(len, said[kind].values())) for kind in ("helpers", "contexts", "results"))
    print(f"{len(said['helpers'])} places: {helpers} helpers, {contexts} accesses and {results} results are taken")
    assert helpers >= 5000
    assert contexts >= 4000
    assert results >= 200
    assert said["behaviours"]["loops are walked turn by turn"] is True
    assert said["behaviours"]["a remainder is below its divisor"] is False


def test_a_difference_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from bpfvm.verifier.domain import scalar
    from bpfvm.verifier.domain.regs import unknown

    planted = Behaviour("a sum is a range", "r0 = *(u32 *)(r1 +0)\nr0 &= 3\nr0 += 1\nr2 = r10\nr2 += r0\n"
                        "*(u8 *)(r2 -8) = 0\nr0 = 0\nexit")  # fmt: skip
    monkeypatch.setattr(behaviours, "BEHAVIOURS", (planted,))
    monkeypatch.setitem(scalar._PLAIN, "add", lambda dst, src: dst.take(unknown().same_numbers))
    assert status(["probe", "--only", "behaviours"]) == 0
    words = "deduced: this kernel takes a program that rests on it that a sum is a range, the model does not"
    assert words in capsys.readouterr().out
