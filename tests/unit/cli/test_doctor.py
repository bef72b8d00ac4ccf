"""`bpfvm doctor` on this machine and on others: text, JSON, and no traceback for anything."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bpfvm.cli import doctor_facts, status
from bpfvm.cli.doctor_facts import Finding, by_reason
from bpfvm.kernel import features
from bpfvm.kernel.host import privilege
from bpfvm.run import backend
from bpfvm.run.backend import ENGINES, Engine
from bpfvm.tables.features import FEATURES
from tests.engines import EMULATORS

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BPFVM_KERNEL", "off")
    monkeypatch.setenv("COLUMNS", "100")
    features.forget()
    yield
    features.forget()


def document(capsys: Captured, *options: str) -> dict[str, Any]:
    assert status(["doctor", "--json", *options]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_one_document(capsys: Captured) -> None:
    found = document(capsys)
    assert set(found) == {"bpfvm", "python", "system", "engines", "packages", "privileges", "features"}
    items = [one for key in ("engines", "packages", "privileges", "features") for one in found[key]]
    for one in items:
        assert {"name", "group", "have"} <= set(one), one
        assert set(one) <= {"name", "group", "have", "detail", "reason", "cause", "remedy", "since", "purpose"}, one
        assert one["have"] or one["reason"], one
        assert all(text.isprintable() for text in one.values() if isinstance(text, str)), one
    assert {row.name for row in FEATURES} <= {one["name"] for one in found["features"]}
    assert {one["name"] for one in found["engines"]} == {"cpython", *(row.name for row in ENGINES)}
    print(f"{len(items)} items")
    assert len(items) >= 200


def test_a_kernel_that_is_switched_off_is_not_asked(capsys: Captured) -> None:
    found = document(capsys)
    kernel = next(one for one in found["engines"] if one["name"] == "kernel")
    assert (kernel["have"], kernel["reason"]) == (False, "bpf(2) is switched off by BPFVM_KERNEL=off")
    asked = [one for one in found["features"] if one["group"] == "maps"]
    assert {one["have"] for one in asked} == {None}
    assert status(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "  no   kernel: bpf(2) is switched off by BPFVM_KERNEL=off\n" in text
    assert f"  yes  {', '.join(('cpython', *EMULATORS))}\n" in text


def test_helpers_that_were_not_asked(capsys: Captured) -> None:
    found = document(capsys, "--all")
    assert set(found["helpers"].values()) == {None}
    assert len(found["helpers"]) >= 32


@pytest.mark.parametrize("system", ["Darwin", "Windows", "FreeBSD", ""])
@pytest.mark.parametrize("options", [[], ["--all"], ["--json"]])
def test_other_systems(system: str, options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.delenv("BPFVM_KERNEL")
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.delattr(os, "geteuid")
    monkeypatch.setattr(privilege, "effective", lambda: None)
    rows = tuple(Engine(row.name, row.open, lambda: None) if row.name == "kernel" else row for row in ENGINES)
    monkeypatch.setattr(doctor_facts, "ENGINES", rows)  # whose own answer is kept for the process
    assert status(["doctor", *options]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    reason = f"it is of Linux, and this is {system or 'an unknown system'}"
    if "--json" in options:
        reasons = {one["reason"] for one in json.loads(said.out)["features"]}
        assert reasons == {reason}
    elif not options:
        text = " ".join(said.out.split())
        assert "CAP_SYSLOG: capabilities are of Linux" in text
        assert reason in text


def test_an_engine_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def fails() -> str | None:
        raise ImportError("no module named fcntl")

    monkeypatch.setattr(doctor_facts, "ENGINES", (Engine("kernel", backend.ENGINES[0].open, fails),))
    monkeypatch.setitem(sys.modules, "bpfvm.kernel.features", None)
    monkeypatch.setitem(sys.modules, "bpfvm.kernel.host.privilege", None)
    found = document(capsys)
    assert found["engines"][-1] == {
        "name": "kernel", "group": "engines", "have": False, "reason": "no module named fcntl",
    }  # fmt: skip
    assert {one["have"] for one in found["features"]} == {None}
    assert {one["have"] for one in found["privileges"]} == {None}


def test_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    for module in ("scapy", "distributed"):
        monkeypatch.setitem(sys.modules, module, None)
    found = {one["name"]: one for one in document(capsys)["packages"]}
    for name, extra in (("scapy", "net"), ("distributed", "dask")):
        assert found[name]["have"] is False
        assert found[name]["remedy"] == f"pip install 'bpfvm[{extra}]'"
    assert found["click"]["have"]
    assert found["click"]["detail"]


def test_capabilities_by_name(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(privilege, "effective", lambda: 1 << 39 | 1 << 38)
    found = {one["name"]: one["have"] for one in document(capsys)["privileges"]}
    assert {name for name, have in found.items() if have} == {"CAP_BPF", "CAP_PERFMON"}
    assert status(["doctor"]) == 0
    assert "  yes  CAP_BPF, CAP_PERFMON\n" in capsys.readouterr().out


def test_one_reason_stands_once() -> None:
    rows = [Finding("a", "g", False, "why", "what"), Finding("b", "g", False, "other"),
            Finding("c", "g", False, "why", "what"), Finding("d", "g", None, "why", "what")]  # fmt: skip
    grouped = by_reason(rows)
    assert [[one.name for one in same] for same in grouped.values()] == [["a", "c"], ["b"], ["d"]]


def test_all_has_a_line_for_each_feature(capsys: Captured) -> None:
    assert status(["doctor", "--all"]) == 0
    text = capsys.readouterr().out
    names = [row.name for row in FEATURES]
    assert not [name for name in names if f" {name}" not in text]
    print(f"{len(names)} features by name")
    assert len(names) >= 90


def test_help_has_an_example(capsys: Captured) -> None:
    assert status(["doctor", "--help"]) == 0
    assert "Example: bpfvm doctor --all" in capsys.readouterr().out
    assert status(["doctor", "--none"]) == 2


@pytest.mark.parametrize("settings", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"COLUMNS": "10"}, {"HOME": ""}])
def test_any_terminal(settings: dict[str, str]) -> None:
    ran = subprocess.run([sys.executable, "-m", "bpfvm", "doctor"], capture_output=True, text=True, timeout=60,
                         env={**os.environ, **settings}, check=False)  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("bpfvm ")


def test_a_full_disk_and_a_reader_that_is_gone() -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run([sys.executable, "-m", "bpfvm", "doctor"], stdout=full, stderr=subprocess.PIPE, text=True,
                             timeout=60, check=False)  # fmt: skip
    assert "Traceback" not in ran.stderr
    assert ran.returncode
