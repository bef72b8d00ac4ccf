# mypy: disable-error-code="type-arg, valid-type, no-any-return, comparison-overlap, index, call-overload"
# mypy: disable-error-code="misc, assignment, attr-defined"
"""Programs that run by BPF_PROG_RUN alone, on a struct that who runs them gives and gets back."""

from __future__ import annotations

from typing import Any

import pytest

from bpfvm import Array, UsageError, be32, bpf, char, struct, u8, u16, u32, u64
from bpfvm.core.diag import CompileError
from tests.engines import EMULATORS


@struct
class Inner:
    a: u16 = 0
    b: be32 = 0


@struct
class Args:
    n: u32 = 0
    out: u64 = 0
    name: char[8] = ""
    inner: Inner
    parts: u8[4]


runs = Array(u64, 1)


@bpf.syscall_prog(on_fault=9)
def changed(ctx: Args) -> int:
    """Numbers, texts, structs and arrays of the context, read and stored to."""
    runs[0] += 1
    ctx.out = ctx.n * 3
    ctx.out += 1
    if ctx.name == "abc":
        ctx.inner.b = 0x01020304
    ctx.parts[1] = u8(ctx.inner.a)
    ctx.name = "xyz"
    other = ctx.inner
    other.a += 1
    copied = ctx.copy()
    copied.n = 1
    assert ctx.n != 7
    return ctx.parts[1] + copied.n


def args(**given: Any) -> bytes:
    return bytes(Args(**{"inner": Inner(), "parts": u8[4](), **given}))


CASES: tuple[tuple[bytes, int, dict[str, Any]], ...] = (
    (args(n=5, name="abc", inner=Inner(a=300)), 45,
     {"n": 5, "out": 16, "name": "xyz", "inner": {"a": 301, "b": 0x01020304}, "parts": b"\0\x2c\0\0"}),
    (args(n=7), 9, {"n": 7, "out": 22, "name": "xyz", "inner": {"a": 1, "b": 0}, "parts": bytes(4)}),
    (args(out=5) + bytes(8), 1, {"n": 0, "out": 1, "name": "xyz", "inner": {"a": 1, "b": 0}, "parts": bytes(4)}),
)  # fmt: skip


@pytest.mark.parametrize(("given", "value", "after"), CASES, ids=["fields", "fault", "longer"])
def test_a_struct_is_given_and_comes_back(given: bytes, value: int, after: dict[str, Any]) -> None:
    outcome = changed.check(given)
    assert (outcome.value, outcome.ctx, outcome.maps["runs"]) == (value, after, {0: 1})
    assert (outcome.fault is not None) == (value == 9)
    assert len(outcome.engines) > len(EMULATORS)


def test_nothing_given_is_zeros() -> None:
    assert changed.check().ctx["out"] == 1


def test_a_context_that_is_too_short() -> None:
    with pytest.raises(UsageError, match=r"changed takes Args, 40 bytes: bytes\(Args\(\.\.\.\)\), not 2 bytes"):
        changed.check(b"12")
    with pytest.raises(UsageError, match="takes a context, something that bytes"):
        changed.check(5)


def test_other_annotations_are_refused() -> None:
    @bpf.syscall_prog
    def number(ctx: u32) -> int:
        return ctx

    with pytest.raises(CompileError) as caught:
        number.compiled  # noqa: B018
    assert "takes a struct as its annotation, or none" in caught.value.diags[0].message
