"""A project of somebody else's, with bpfvm installed from its wheel: its tests pass without root, its reports read as
in the checkout. For `tox -e wheel`."""

from __future__ import annotations

import importlib.util
import os
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

PLANTS = Path(__file__).resolve().parents[1]
# root without any capability is told by the kernel what any user is
POWERLESS = ("setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")


def outside() -> ModuleType:
    """tests/plants/outside_run.py: the checkout is not on the path here."""
    spec = importlib.util.spec_from_file_location("outside_run", PLANTS / "outside_run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_plugin_is_installed() -> None:
    (found,) = entry_points(group="pytest11", name="bpfvm")
    assert found.value == "bpfvm.testing.plugin"


def test_three_tests_pass_without_root(tmp_path: Path) -> None:
    before = POWERLESS if os.geteuid() == 0 else ()
    done = outside().run(tmp_path, "-v", "test_firewall.py", environment={"BPFVM_KERNEL": "auto"}, before=before)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert "bpfvm" in done.stdout.partition("plugins:")[2].partition("\n")[0]


def test_a_mismatch_reads_well(tmp_path: Path) -> None:
    run = outside()
    done = run.run(tmp_path, "-ra", "test_broken.py", environment={"BPFVM_KERNEL": "off"})
    assert run.report(done.stdout, tmp_path) == (run.PROJECT / "broken.report").read_text()
