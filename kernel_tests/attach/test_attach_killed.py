"""Processes that attach programs everywhere and are killed at any moment leave nothing attached, loaded or made."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from bpfvm.kernel.attach import Link, netlink, tracefs
from bpfvm.kernel.attr import LINK_GET_NEXT_ID, MAP_GET_NEXT_ID, PROG_GET_NEXT_ID, ids
from kernel_tests.attach.counting import NAME, counting
from kernel_tests.attach.test_attach import CGROUPS, cgroup
from kernel_tests.networks import inside, pair

ROUNDS, SOME = 200, 30
PATIENCE = 20.0  # seconds for the kernel to free what it has let go
KINDS = {"link": LINK_GET_NEXT_ID, "program": PROG_GET_NEXT_ID, "map": MAP_GET_NEXT_ID}


def _held() -> dict[str, set[int]]:
    return {name: set(ids(command)) for name, command in KINDS.items()}


def _filters(namespace: str) -> int:
    """Filters of tc that are there."""
    number = inside(namespace, lambda: netlink.interface_number("right"))
    return inside(
        namespace, lambda: sum(len(netlink.filters(number, end)) for end in (netlink.INGRESS, netlink.EGRESS))
    )


def _events() -> list[str]:
    try:
        lines = (tracefs.root() / "uprobe_events").read_text().splitlines()
    except OSError:
        return []
    return [one for one in lines if "bpfvm" in one]


Act = Callable[[ExitStack], Link]


def _at(section: str, target: object = None, value: int = 0, network: str | None = None, **options: object) -> Act:
    """Loads and attaches a program. network: the namespace to do it in."""

    def act(opened: ExitStack) -> Link:
        pid = os.getpid() if section in FILTERED else None
        program = opened.enter_context(counting(section, value, pid)).programs[NAME]
        if network is None:
            return program.attach(target, **options)
        return inside(network, lambda: program.attach(target, **options))

    return act


def _attachments(network: str, folder: Path) -> list[tuple[str, Act]]:
    rows = [
        ("xdp", _at("xdp", "right", 2, network)),
        ("tcx", _at("tc", "right", -1, network, direction="ingress")),
        ("clsact", _at("tc", "right", -1, network, direction="egress", priority=3)),
        ("netfilter", _at("netfilter", "ipv4", 1, network)),
        ("sk_lookup", _at("sk_lookup", None, 1, network)),
        ("packet socket", _at("socket", "right", 0, network)),
        ("tracepoint", _at("tp/syscalls/sys_enter_getpgid")),
        ("raw tracepoint", _at("raw_tp/sys_enter")),
        ("uprobe", _at("uprobe", "c:getpgid")),
        ("uprobe.multi", _at("uprobe.multi", "c:getpg*")),
        ("uprobe by tracefs", _by_tracefs),
        ("samples", _at("perf_event", "cpu-clock", pid=os.getpid(), period=10_000_000)),
        ("iterator", _at("iter/task")),
    ]
    if CGROUPS.is_dir():
        rows.append(("cgroup", _at("cgroup_skb/egress", str(folder), 1)))
    return rows


FILTERED = ("tp/syscalls/sys_enter_getpgid", "raw_tp/sys_enter")


def _by_tracefs(opened: ExitStack) -> Link:
    """As on a kernel whose perf has no uprobes."""
    from bpfvm.kernel.attach import events

    before, events._DEVICES = events._DEVICES, Path("/no/such/folder")
    try:
        return opened.enter_context(counting("uprobe")).programs[NAME].attach("c:getpgid")
    finally:
        events._DEVICES = before


def test_every_kind_is_undone() -> None:
    with pair() as (_, right), cgroup() as folder:
        before = _held()
        for _, act in _attachments(right, folder):
            with ExitStack() as opened:
                with act(opened) as link:
                    assert link.where
                link.close()  # again does nothing
        assert (_filters(right), _events()) == (0, [])
        _wait_for(before)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_killed_processes(number: int, size: Callable[[int, int], int]) -> None:
    dice, done = random.Random(number), Counter[str]()
    rounds = size(SOME, ROUNDS) // 2
    with pair() as (_, right), cgroup() as folder:
        before = _held()
        names = [name for name, _ in _attachments(right, folder)]
        for _ in range(rounds):
            chosen = dice.sample(range(len(names)), dice.randint(1, 4))
            done.update(names[one] for one in chosen)
            _killed(number, chosen, right, folder, dice.choice((None, dice.uniform(0, 0.05))))
        end = time.monotonic() + PATIENCE
        while (_filters(right) or _events()) and time.monotonic() < end:
            time.sleep(0.02)
        assert (_filters(right), _events()) == (0, [])
        _wait_for(before)
    print(f"{rounds} processes ended by signal {int(number)}: {dict(done)}")
    assert len(done) >= len(names) - 2


def _killed(number: int, chosen: list[int], namespace: str, folder: Path, after: float | None) -> None:
    """A process that attaches, killed when it has, or after so many seconds."""
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        os.close(ready)
        try:
            rows = _attachments(namespace, folder)
            opened = ExitStack()
            links = [rows[one][1](opened) for one in chosen]
            os.write(tell, bytes([len(links)]))
            time.sleep(60)
        finally:
            os._exit(1)
    os.close(tell)
    if after is None:
        assert os.read(ready, 1) == bytes([len(chosen)])
    else:
        time.sleep(after)
    os.kill(child, number)
    os.waitpid(child, 0)
    os.close(ready)


def _wait_for(before: dict[str, set[int]]) -> None:
    """What this test made is gone; others run beside it, so only what stays counts."""
    end = time.monotonic() + PATIENCE
    left = _own(before)
    while left and time.monotonic() < end:
        time.sleep(0.05)
        left &= _own(before)
    assert not left, f"still there: {left}"


def _own(before: dict[str, set[int]]) -> set[tuple[str, int]]:
    return {(name, one) for name, found in _held().items() for one in found - before[name]}
