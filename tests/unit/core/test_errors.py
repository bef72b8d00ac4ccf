"""Errors are one line, whatever stands in a file that they speak of."""

from __future__ import annotations

import pytest

from bpfvm.core.errors import LoadError, Unavailable, UsageError


@pytest.mark.parametrize("kind", [LoadError, Unavailable, UsageError])
def test_what_does_not_print_is_escaped(kind: type[Exception]) -> None:
    error = kind("program a\x1b[2J\nb: é is read")
    assert str(error) == "program a\\x1b[2J\\nb: é is read"
