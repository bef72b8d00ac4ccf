"""What is installed from the wheel: all packages, under one name, away from the checkout. For `tox -e wheel`."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TRACER = """
from bpfvm import Hash, bpf, ktime, s32, u64, vmlinux
from bpfvm.timeline import Task, Timeline

vmlinux.load(vmlinux.SHIPPED)
woken = Hash(s32, u64)


@bpf.tp_btf("sched_wakeup")
def wakeup(p):
    woken[p.pid] = ktime()


print(Timeline(wakeup).at("1us", "sched_wakeup", Task(7, "bash")).check().maps)
"""


def test_every_module_is_in_the_wheel_under_one_name() -> None:
    installed = {str(path) for path in files("bpfvm") or ()}
    wanted = {
        f"bpfvm/{path.relative_to(ROOT)}" for part in ("compiler", "emulator") for path in (ROOT / part).rglob("*.py")
    }
    assert wanted <= installed, wanted - installed
    assert len(wanted) > 10
    assert {"bpfvm/py.typed", "bpfvm/cli/run.py", "bpfvm/tables/linux/linux-6.18-x86_64.btf"} <= installed
    tops = {path.split("/")[0] for path in installed if not path.startswith("..")}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bpfvm"}


def test_tracers_run_on_the_types_that_ship(tmp_path: Path) -> None:
    (tmp_path / "tracer.py").write_text(TRACER)
    done = subprocess.run([sys.executable, "tracer.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "{'woken': {7: 1000}}", done.stdout + done.stderr


def test_the_command_runs_away_from_the_checkout(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "bpfvm"
    done = subprocess.run([command, "run", "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Example: bpfvm run" in done.stdout
