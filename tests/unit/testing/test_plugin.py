"""The pytest plugin in a project of somebody else's: what passes, how failures read, what is skipped and why."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bpfvm.kernel
from bpfvm.core.errors import UsageError
from bpfvm.testing import needs
from tests.plants.outside_run import PROJECT, ROOT, report, run

GOLDEN = PROJECT / "broken.report"
OFF = {"BPFVM_KERNEL": "off"}


def test_three_tests_pass(tmp_path: Path) -> None:
    done = run(tmp_path, "-q", "test_firewall.py", environment=OFF)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_how_failures_read(tmp_path: Path) -> None:
    """Written anew by `BPFVM_UPDATE=1 pytest tests/unit/testing/test_plugin.py`, to be read before it is kept."""
    done = run(tmp_path, "-ra", "test_broken.py", environment=OFF)
    text = report(done.stdout, tmp_path)
    if os.environ.get("BPFVM_UPDATE"):
        GOLDEN.write_text(text)
    lines = difflib.unified_diff(GOLDEN.read_text().splitlines(), text.splitlines(), GOLDEN.name, "now", lineterm="")
    assert text == GOLDEN.read_text(), "\n".join(lines)


@pytest.mark.parametrize(
    ("mode", "missing", "verdict"),
    [
        ("auto", "there is no bpf(2)", ("skip", "needs the kernel (it counts): there is no bpf(2)")),
        (
            "require",
            "there is no bpf(2)",
            ("fail", "BPFVM_KERNEL=require: needs the kernel (it counts): there is no bpf(2)"),
        ),
        ("require", None, ("run", "")),
    ],
)
def test_require_fails_what_auto_skips(
    monkeypatch: pytest.MonkeyPatch, mode: str, missing: str | None, verdict: tuple[str, str]
) -> None:
    monkeypatch.setenv("BPFVM_KERNEL", mode)
    monkeypatch.setattr(bpfvm.kernel, "available", lambda: missing)
    assert needs.kernel("it counts") == verdict
    with pytest.raises(UsageError, match="there is no feature 'nothing'"):
        needs.kernel("it counts", ["nothing"])
    monkeypatch.setenv("BPFVM_KERNEL", "always")
    with pytest.raises(UsageError, match="BPFVM_KERNEL=always: it is one of auto, off, require"):
        needs.kernel("it counts")


OTHERS = """
import pytest

import bpfvm
from bpfvm import bpf as decorators
from firewall import no_udp, share

FRAME = bytes(64)


def test_objects(bpf):
    program = bpf.load("xdp_count.o").programs["count"]
    assert bpf.run(program, FRAME).action == "XDP_PASS"
    with pytest.raises(bpfvm.LoadError):
        bpf.load("nothing.o")


def test_machines_are_fresh(bpf):
    for _ in range(2):
        assert bpf.run(no_udp, FRAME).maps["seen"][0] == 1
    running = bpf(no_udp)
    assert [running.run(FRAME).maps["seen"][0] for _ in range(2)] == [1, 2]


def test_engine(bpf, request):
    running = bpf(share)
    wanted = request.config.getoption("--bpf-engine")
    assert running.engine == {"auto": "portable"}.get(wanted, wanted)
    assert running.run(1, 2).value == 50


def test_decorators_are_there_too(bpf):
    @bpf.function
    def f(a: bool) -> int:
        return a + 4

    assert f.check(True).value == 5
    assert bpf.seed == 7


@pytest.mark.parametrize("wrong", [3, share.function])
def test_only_programs_run(bpf, wrong):
    with pytest.raises(bpfvm.UsageError, match="takes a program"):
        bpf(wrong)


@pytest.mark.kernel("no_such_feature")
def test_a_feature_that_there_is_not():
    pass


@pytest.mark.vm
def test_a_machine_to_throw_away():
    pass


def test_a_bug_of_bpfvm_is_shown_whole(monkeypatch):
    from bpfvm.run import session

    monkeypatch.setattr(session.Session, "value_of", None)
    share.emulate(1, 2)
"""


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("others")
    place = folder / "outside"
    place.mkdir()
    (place / "test_others.py").write_text(OTHERS)
    (place / "xdp_count.o").write_bytes((ROOT / "tests/objects/xdp_count.o").read_bytes())
    return folder


@pytest.mark.parametrize(("engine", "passed", "skipped"), [("interp", 7, 0), ("cpython", 6, 1), ("kernel", 4, 3)])
def test_engines(others: Path, engine: str, passed: int, skipped: int) -> None:
    """Tests that the engine cannot run are skipped, each with its reason; two fail on any."""
    done = run(
        others, "-ra", "test_others.py", f"--bpf-engine={engine}", "--bpf-seed=7", environment={**OFF, "BPFVM_VM": "1"}
    )
    print(done.stdout)
    assert f"bpfvm: engine {engine}, seed 7" in done.stdout
    told = f"1 failed, {passed} passed, {f'{skipped} skipped, ' if skipped else ''}1 error"
    assert told in done.stdout
    assert "there is no feature 'no_such_feature'" in done.stdout
    assert ">       value = self.value_of(result" in done.stdout  # the frame of bpfvm that the bug is in
    if engine == "kernel":
        assert "SKIPPED [1] test_others.py:11: engine kernel: bpf(2) is switched off by BPFVM_KERNEL=off" in done.stdout


def test_an_engine_that_there_is_not(others: Path) -> None:
    done = run(others, "--bpf-engine=fast", "test_others.py")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--bpf-engine: there is no engine 'fast'; engines are auto, cpython" in done.stderr


def test_what_the_plugin_loads_before_it_is_asked() -> None:
    script = (
        "import sys, bpfvm.testing.plugin\n"
        "print([name for name in sys.modules if name.startswith('bpfvm.') and name not in "
        "('bpfvm.testing', 'bpfvm.testing.plugin')])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
