"""Names that a program was compiled with and that mean something else by now: CPython does not run another program."""

from __future__ import annotations

import types
from typing import Any

import pytest

from bpfvm import bpf, u32
from bpfvm.core.errors import StaleCapture

LIMIT = 10
PLACES: tuple[Any, ...] = (1, 2)
options = types.SimpleNamespace(port=80)


def step(x: int) -> int:
    return x + LIMIT


@bpf.function
def inside(a: u32) -> bool:
    return a < LIMIT


@bpf.function
def calls(a: u32) -> u32:
    return step(a)


@bpf.function
def port(a: u32) -> bool:
    return bool(a == options.port)


@bpf.function
def among(a: u32) -> bool:
    found = False
    for one in PLACES:
        found = found or a == one
    return found


def test_a_global_that_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert inside.check(9).value
    monkeypatch.setitem(globals(), "LIMIT", 11)
    text = (
        "inside: `LIMIT` was 10 when the program was compiled, and it is 11 now; make the program again behind the "
        "change, or keep what changes in a map"
    )
    with pytest.raises(StaleCapture) as caught:
        inside.check(10)
    assert str(caught.value) == text
    assert not inside.emulate(10).value  # the compiled program is what it was


def test_a_global_of_a_function_that_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    assert calls.check(1).value == 11
    monkeypatch.setitem(globals(), "LIMIT", 11)
    with pytest.raises(StaleCapture, match=r"^calls: `LIMIT` was 10 "):
        calls.cpython(1)


def test_a_function_that_was_bound_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    assert calls.check(1).value == 11
    monkeypatch.setitem(globals(), "step", lambda x: x)
    with pytest.raises(StaleCapture, match=r"^calls: `step` was <function step "):
        calls.cpython(1)


def test_an_attribute_that_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert port.check(80).value
    monkeypatch.setattr(options, "port", 8080)
    with pytest.raises(StaleCapture, match=r"^port: `options\.port` was 80 .* it is 8080 now"):
        port.cpython(80)
    monkeypatch.delattr(options, "port")
    with pytest.raises(StaleCapture, match="looking it up gives AttributeError now"):
        port.cpython(80)


def test_a_name_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert inside.check(9).value
    monkeypatch.delitem(globals(), "LIMIT")
    with pytest.raises(StaleCapture, match="looking it up gives KeyError now"):
        inside.cpython(9)


def test_equal_values_are_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    assert among.check(2).value
    monkeypatch.setitem(globals(), "PLACES", tuple([1, 2]))
    assert among.check(2).value
    monkeypatch.setitem(globals(), "PLACES", (1, True))
    with pytest.raises(StaleCapture, match=r"^among: `PLACES` was \(1, 2\) "):
        among.check(2)


def test_a_closure_that_changed() -> None:
    offset = 3

    @bpf.function
    def plus(a: u32) -> u32:
        return u32(a + offset)

    assert plus.check(1).value == 4
    offset = 4
    with pytest.raises(StaleCapture, match=r"^plus: `offset` was 3 "):
        plus.check(1)
