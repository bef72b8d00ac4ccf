"""Network namespaces of the tests' own, with pairs of interfaces: made and removed by iproute2."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_COUNT = itertools.count()


def ip(*words: str) -> None:
    """`ip words…`."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def loopback() -> Iterator[str]:
    """A namespace with a loopback that nobody else sends on."""
    name = f"bpfvm{os.getpid()}_{next(_COUNT)}lo"
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        ip("netns", "del", name)


@contextmanager
def pair() -> Iterator[tuple[str, str]]:
    """Two namespaces whose interfaces `left` and `right` are the ends of one wire; without IPv6, so that nothing is
    sent by itself. 10.1.1.1 is left, 10.1.1.2 right, each knows the other's address."""
    name = f"bpfvm{os.getpid()}_{threading.get_ident() & 0xFFFF}"
    left, right = f"{name}l", f"{name}r"
    try:
        for one in (left, right):
            ip("netns", "add", one)
            # written from inside: the file shows the namespace of who opens it
            inside(one, lambda: Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1"))
        ip("-n", left, "link", "add", "left", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "right",
           "netns", right, "address", "02:00:00:00:00:02")  # fmt: skip
        for one, own, other, number in ((left, "left", "10.1.1.2", 2), (right, "right", "10.1.1.1", 1)):
            ip("-n", one, "addr", "add", f"10.1.1.{3 - number}/24", "dev", own)
            ip("-n", one, "link", "set", own, "up")
            ip("-n", one, "link", "set", "lo", "up")
            ip("-n", one, "neigh", "add", other, "lladdr", f"02:00:00:00:00:0{number}", "dev", own, "nud", "permanent")
        yield left, right
    finally:
        for one in (left, right):
            with suppress(subprocess.CalledProcessError):
                ip("netns", "del", one)


def inside(namespace: str, action: Callable[[], T]) -> T:
    """What `action` gives in the namespace; in a thread of its own, since a namespace is a thread's."""
    from bpfvm.kernel.runs.call import in_network

    return in_network(f"/run/netns/{namespace}", action)


def send(namespace: str, count: int, size: int = 10, port: int = 9000, to: str = "10.1.1.2") -> None:
    """Send so many UDP datagrams."""

    def act() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            for _ in range(count):
                one.sendto(bytes(size), (to, port))

    inside(namespace, act)
