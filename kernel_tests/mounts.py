"""What is mounted: a BPF file system of a test's own, gone with the test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def mounts() -> list[str]:
    """What is mounted here, but for network namespaces, which other tests make and remove meanwhile."""
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if "/run/netns" not in line]


@contextmanager
def bpf_file_system(folder: Path) -> Iterator[Path]:
    """`folder` as a BPF file system. The test is skipped where this process may not mount one."""
    done = subprocess.run(
        ["mount", "-t", "bpf", "bpf", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        pytest.skip(f"needs CAP_SYS_ADMIN to mount a BPF file system: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], timeout=60, check=True)
