"""The first file system of a guest: busybox, modules, and a script that mounts the host's files and runs a command.

cpio in the "newc" form (Documentation/driver-api/early-userspace/buffer-format.rst): 13 numbers of 8 hex digits, a name
and contents, each padded to 4 bytes.
"""

from __future__ import annotations

import lzma
import re
from pathlib import Path

from kernel_tests.vm.kernels import Fetched, Unavailable

_FILE, _FOLDER = 0o100755, 0o040755
FIRST = ("virtio_pci", "virtiofs", "overlay")  # without them there are no files
LATER = (
    "veth",
    "sch_ingress",
    "cls_bpf",
    "nf_defrag_ipv4",
    "nf_defrag_ipv6",
    "tcp_bbr",
    "loop",
)  # may be lacking

_INIT = """#!/bin/busybox sh
b=/bin/busybox
echo "{begin}"
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for one in $($b cat /modules/order); do $b insmod /modules/$one 2>/dev/null || echo "insmod $one failed"; done
$b mount -t virtiofs rootfs /host -o ro || echo "no files of the host"
$b mount -t tmpfs changes /changes
$b mkdir /changes/upper /changes/work
$b mount -t overlay overlay -o lowerdir=/host,upperdir=/changes/upper,workdir=/changes/work /new
for one in proc sys dev; do $b mount --move /$one /new/$one; done
for one in tmp run; do $b mount -t tmpfs $one /new/$one; done
$b mkdir -p /new/dev/shm /new/dev/pts
$b mount -t tmpfs shm /new/dev/shm
$b mount -t devpts pts /new/dev/pts
$b mount -t securityfs security /new/sys/kernel/security
$b mount -t bpf bpf /new/sys/fs/bpf
$b mount -t tracefs tracing /new/sys/kernel/tracing
$b mount -t cgroup2 cgroup /new/sys/fs/cgroup
$b ifconfig lo 127.0.0.1 up
$b chroot /new /bin/sh -c '{command}'
echo "{end}$?"
$b sync
echo o > /new/proc/sysrq-trigger
$b sleep 60
"""
BEGIN, END = "GUEST BEGINS", "GUEST ENDED WITH "


def initrd(kernel: Fetched, busybox: Path, command: str) -> bytes:
    """A guest's first file system. Unavailable for a kernel that lacks a module that it takes."""
    modules = _modules(kernel)
    order = "\n".join(modules)
    parts = [_entry(name, b"", _FOLDER) for name in ("bin", "proc", "sys", "dev", "host", "changes", "new", "modules")]
    parts.append(_entry("bin/busybox", busybox.read_bytes(), _FILE))
    parts += [_entry(f"modules/{name}", data, _FILE) for name, data in modules.items()]
    parts.append(_entry("modules/order", order.encode(), _FILE))
    text = _INIT.replace("{command}", command.replace("'", "'\\''")).replace("{begin}", BEGIN).replace("{end}", END)
    parts.append(_entry("init", text.encode(), _FILE))
    parts.append(_entry("TRAILER!!!", b"", 0))
    return b"".join(parts)


def _entry(name: str, data: bytes, mode: int) -> bytes:
    text = name.encode() + b"\0"
    numbers = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(text), 0)
    head = b"070701" + b"".join(b"%08x" % one for one in numbers) + text
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def _modules(kernel: Fetched) -> dict[str, bytes]:
    """Modules by file name, each behind those that it needs; what is built in is left out."""
    files = {one.name.partition(".ko")[0].replace("-", "_"): one for one in kernel.modules.rglob("*.ko*")}
    built_in = _built_in(kernel)
    found: dict[str, bytes] = {}

    def add(name: str, needed: bool) -> None:
        if name in built_in or f"{name}.ko" in found:
            return
        if name not in files:
            if needed and built_in:
                raise Unavailable(f"kernel {kernel.release} has no module {name}")
            return
        data = _unpacked(files[name])
        for one in _dependencies(data):
            add(one, needed)
        found[f"{name}.ko"] = data

    for name in FIRST:
        add(name, True)
    for name in LATER:
        add(name, False)
    return found


def _built_in(kernel: Fetched) -> set[str]:
    """What the kernel itself has; () where the package does not tell, as from 7.2 on."""
    file = kernel.modules / "modules.builtin"
    if not file.is_file():
        return set()
    return {Path(line).name.removesuffix(".ko").replace("-", "_") for line in file.read_text().splitlines()}


def _unpacked(file: Path) -> bytes:
    data = file.read_bytes()
    if file.suffix == ".xz":
        return lzma.decompress(data)
    if file.suffix != ".ko":
        raise Unavailable(f"{file.name} is packed in a way that this Python cannot unpack")
    return data


def _dependencies(data: bytes) -> list[str]:
    """Names in the module's own note (.modinfo: depends=a,b)."""
    found = re.search(rb"\0depends=([\w,-]*)\0", data)
    return [one.replace("-", "_") for one in found[1].decode().split(",") if one] if found else []
