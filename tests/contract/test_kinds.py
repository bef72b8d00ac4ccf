"""Programs of every kind, their contexts read and written whole, on every machine that needs no kernel."""

from __future__ import annotations

from tests.contract.kinds import compare, counted
from tests.engines import EMULATORS

NOT_RUN = ("the emulator runs no programs of type",)


def test_programs_of_every_kind_mean_the_same() -> None:
    found, lines = compare()
    print("\n".join(lines))
    print(f"{found}\n{dict(counted(lines))}")
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert all(reason.startswith(NOT_RUN) for reason in found.elsewhere), found.elsewhere
    assert len(lines) >= 70
    assert counted(lines)["run"] >= 60
    assert found.counts["fields read"] >= 900
    assert found.counts["fields written"] >= 80
    assert found.counts["runs"] >= 130 * len(EMULATORS)
