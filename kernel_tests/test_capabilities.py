"""Root is not needed: a part of these tests, run as a user with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN and no more."""

from __future__ import annotations

import re
import shutil

import pytest

from kernel_tests import lesser

# The rest takes long: python -m kernel_tests.lesser kernel_tests, or the last stage of continuous integration
CHOSEN = (
    "tools/test_errors.py", "runs/test_kernel.py", "maps/test_maps.py",
    "libbpf/test_objects.py", "runs/test_refusals.py", "runs/test_runs.py",
)  # fmt: skip
LEAST = 120  # that pass
REASON = re.compile(r"SKIPPED \[(\d+)\] kernel_tests/\S+: (.*)")

pytestmark = [
    pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed"),
]


def test_the_user_has_three_capabilities_and_no_way_to_root() -> None:
    script = (
        "from bpfvm.kernel import available; from bpfvm.kernel.host import privilege as p; import os; "
        "print(os.getuid(), p.held(), available())"
    )
    done = lesser.run(["-c", script])
    assert done.stderr == ""
    assert done.stdout == "65534 ('CAP_NET_ADMIN', 'CAP_PERFMON', 'CAP_BPF') None\n"


def test_three_capabilities_are_enough_for_all_that_asks_no_namespaces_mounts_or_ids() -> None:
    """Not one fails; those that take CAP_SYS_ADMIN are skipped, and say why."""
    files = [f"kernel_tests/{name}" for name in CHOSEN]
    done = lesser.run(["-m", "pytest", "-q", "-p", "no:cacheprovider", *files])
    print(done.stdout[-3000:])
    assert done.returncode == 0, done.stderr
    skips = REASON.findall(done.stdout)
    assert [why for _, why in skips if not why.startswith("needs CAP_SYS_ADMIN: ")] == []
    counts = {what: int(count) for count, what in re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1])}
    assert counts["passed"] >= LEAST
    assert counts["skipped"] == sum(int(count) for count, _ in skips) >= 2
