"""What a test needs of the kernel, in names of bpfvm.tables.features: whether it runs, is skipped or fails.

A test is skipped, with the reason, where the probe says no and that is explained: the kernel is older than the
feature, is built without it, or the host, the process or the hardware does not allow it. Any other no fails the test: a
probe that is broken, or a feature lost by a kernel that should have it, must not hide behind a skip.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from bpfvm.core.errors import UsageError
from bpfvm.tables.features import Feature, feature, version

if TYPE_CHECKING:
    from bpfvm.kernel.probes.answers import Answer

EXPLAINED = frozenset({"configuration", "policy", "setup", "privilege", "hardware"})
MODES = ("auto", "off", "require")

Verdict = tuple[Literal["run", "skip", "fail"], str]


def mode() -> str:
    """What BPFVM_KERNEL says: auto skips what cannot run, require fails it, off asks the kernel nothing."""
    found = os.environ.get("BPFVM_KERNEL") or "auto"
    if found not in MODES:
        raise UsageError(f"BPFVM_KERNEL={found}: it is one of {', '.join(MODES)}")
    return found


def kernel(reason: str = "", names: Iterable[str] = ()) -> Verdict:
    """What becomes of a test that needs the kernel, and features of it. reason: what for, in words."""
    from bpfvm.kernel import available

    names = [feature(name).name for name in names]  # a name that means nothing is an error anywhere
    wanted, missing = mode(), available()
    if missing is None:
        return features(names)
    words = f"needs the kernel{f' ({reason})' if reason else ''}: {missing}"
    return ("fail", f"BPFVM_KERNEL=require: {words}") if wanted == "require" else ("skip", words)


def features(names: Iterable[str]) -> Verdict:
    """What becomes of a test that needs these features. UsageError for a name that means nothing."""
    from bpfvm.kernel import features as probes

    for name in names:
        found = verdict(feature(name), probes.probe(name), release())
        if found[0] != "run":
            return found
    return "run", ""


def verdict(row: Feature, answer: Answer, running: tuple[int, int]) -> Verdict:
    """What becomes of a test that needs the feature. running: the kernel's version."""
    if answer.have:
        return "run", ""
    reason = f"needs {row.name}: {answer.reason}"
    if row.since and running < version(row.since):
        return "skip", f"{reason}; it is since {row.since}, and this kernel is {running[0]}.{running[1]}"
    if answer.cause in EXPLAINED:
        return "skip", reason
    return "fail", f"{reason}; this kernel is {running[0]}.{running[1]}, which should have it (since {row.since})"


def release() -> tuple[int, int]:
    """The running kernel's version."""
    major, minor, *_ = os.uname().release.replace("-", ".").split(".")
    return int(major), int(minor)
