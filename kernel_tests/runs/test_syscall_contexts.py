"""The kernel gives and takes the same structs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.compiler.test_syscall_contexts import CASES, changed


@pytest.mark.parametrize(("given", "value", "after"), CASES, ids=["fields", "fault", "longer"])
def test_a_struct_is_given_and_comes_back(given: bytes, value: int, after: dict[str, Any]) -> None:
    outcome = changed.check(given)
    assert "kernel" in outcome.engines
    assert (outcome.value, outcome.ctx) == (value, after)
