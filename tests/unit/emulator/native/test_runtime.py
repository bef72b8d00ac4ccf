"""The native tier around its code: faults of Python in callbacks, both modes, kept code, what it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bpfvm.core.errors import BpfvmError, Unavailable
from bpfvm.core.machine import Input, Result
from bpfvm.emulator import Emulator
from bpfvm.emulator.answers import Answer
from bpfvm.emulator.native.code import engine
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.fuzz.unverified import CHECKED, SAFE, Mode
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.testing.datafile import NAME, load_cases

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

ALL = os.environ.get("BPFVM_ALL") == "1"
ISA = Path(__file__).resolve().parents[3] / "isa"
EIGHT = bytes(range(8))


def spec(text: str, kind: str = "syscall") -> ObjectSpec:
    return ObjectSpec({"p": ProgramSpec("p", kind, kind, tuple(assemble(text)))}, {"m": MapSpec("m", "array", 4, 8, 3)})


WORDS = Input(ctx=EIGHT)


def run(text: str, given: Input = WORDS, safe: bool = False, **answers: Answer) -> Result:
    backend = Emulator("native", answers=answers, safe=safe)
    with backend.load(spec(text, "xdp" if given.packet is not None else "syscall"), "p", {}) as loaded:
        return loaded.run(given)


@pytest.mark.parametrize(("mode", "optimised"), [(SAFE, False), (SAFE, True), (CHECKED, True)])
def test_data_files_agree_in_both_modes(mode: str, optimised: bool) -> None:
    """Every file of rows' edge values, where a result is expected: what no verifier would take is not in question.

    BPFVM_ALL=1 takes all of them. Mode `checked` without much optimisation is what engine `native` is.
    """
    compared = 0
    for case in [*load_cases(ISA)[:: 1 if ALL else 5], *load_cases(ISA / "bugs")]:
        if case.result is None or case.expect.refused is not None:
            continue
        try:
            with Mode(mode, case.budget or 100_000, optimised).load(case.spec(), NAME, {}) as loaded:
                wrong = case.check(loaded.run(case.input()))
        except Unavailable:
            continue
        assert not wrong, wrong[0]
        compared += 1
    print(f"{compared} cases")
    assert compared >= 120


@pytest.mark.parametrize("at", [0x0, 0xFFFF_FFFF, 0x1_0000_0000, 0xFFFF_FFFF_FFFF_FFFF, 0x7FFF_FFFF_0000_0000])
@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_wild_accesses_stay_in_the_arena(at: int, size: int) -> None:
    """In mode `safe` they read or write something of the arena's; in mode `checked` they are faults."""
    text = f"r1 = {at} ll\n r0 = *(u{8 * size} *)(r1 + 0)\n *(u{8 * size} *)(r1 + 0) = r0\n r0 = 7\n exit"
    assert run(text, safe=True).r0 == 7
    fault = run(text).fault
    assert fault is not None
    assert (fault.kind, fault.insn) == ("access", 2)


@pytest.mark.parametrize(("spilled", "kind"), [("r1", "access"), ("r2", None), ("7", None)])
def test_a_spilled_pointer_that_a_wild_store_changed_stays_in_the_arena(spilled: str, kind: str | None) -> None:
    """What the analysis knows of a slot holds no longer then; the access that relies on it must not reach outside."""
    packet = Input(packet=bytes(64))
    distance = run("r2 = *(u32 *)(r1 + 0)\n r0 = r10\n r0 -= r2\n exit", packet).r0 - (1 << 64)
    assert -(1 << 31) < distance < 0, "the stack lies before the packet, near to it"
    text = f"""
r2 = *(u32 *)(r1 + 0)
r3 = r2
r0 = {spilled}
*(u64 *)(r10 - 8) = r0
r3 += {distance}
r0 = 0x7fff000000000000 ll
*(u64 *)(r3 - 8) = r0
r0 = *(u64 *)(r10 - 8)
r2 += r0
*(u8 *)(r0 + 0) = 1
*(u8 *)(r2 + 32767) = 1
r0 = 7
exit"""
    found = run(text, packet, safe=True)
    assert (found.r0, found.fault and found.fault.kind) == (0 if kind else 7, kind)


def test_an_exception_of_a_users_function_leaves_through_the_code() -> None:
    def broken() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("call 14\n exit", get_current_pid_tgid=broken)


def test_reading_past_the_packet_is_placed_and_counted() -> None:
    text = "r2 = *(u32 *)(r1 + 0)\n r0 = 0\n r0 = *(u32 *)(r2 + 62)\n exit"
    found = [
        Emulator(name).load(spec(text, "xdp"), "p", {}).run(Input(packet=bytes(64))) for name in ("interp", "native")
    ]
    assert found[0] == replace(found[1], warnings=found[0].warnings)
    assert found[1].fault is not None
    assert found[1].fault.message == "read of 4 bytes at packet+62, packet is 64 bytes"


def test_code_that_runs_often_is_compiled_again_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = "r0 = 0\n again: r0 += 1\n if r0 != 400000 goto again\n exit"
    for turn in range(2):
        with Emulator("native").load(spec(text), "p", {}) as loaded:
            assert isinstance(loaded.tier, Runtime)
            results = [loaded.run(Input(ctx=b"")) for _ in range(6)]
            built = loaded.tier.built(loaded.system.code("p"), ())
            assert built is not None
            assert built.hot
        assert all(one == results[0] for one in results)
        assert results[0].r0 == 400_000
        assert len(list((tmp_path / "bpfvm" / "native").iterdir())) == 1, turn


@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, b"\x7fELF"])
def test_damaged_code_is_not_taken(damage: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ir = "define i64 @f() {\n ret i64 3\n}"
    engine.Compiled(ir, ["f"], engine.FULL)
    (path,) = (tmp_path / "bpfvm" / "native").iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage)
    assert engine.Compiled(ir, ["f"], engine.FULL).addresses["f"]
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bpfvm").write_text("a file in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert engine.Compiled("define i64 @f() {\n ret i64 3\n}", ["f"], engine.FULL).addresses["f"]


def test_without_llvmlite_it_is_missing_by_name() -> None:
    text = "import sys\nsys.modules['llvmlite'] = None\nfrom bpfvm.run.backend import engine\nengine('native')"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith("engine native: llvmlite is not installed: pip install 'bpfvm[jit]'")


def test_what_it_cannot_take_is_an_error_of_ours() -> None:
    with pytest.raises(BpfvmError, match="divides by the constant 0"):
        run("r0 = 1\n r0 /= 0\n exit")
