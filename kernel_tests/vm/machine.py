"""A guest under qemu without acceleration: boots a kernel, runs one command with the host's files, gives its output."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kernel_tests.vm.initrd import BEGIN, END, initrd
from kernel_tests.vm.kernels import Fetched, Unavailable

QEMU, PACKAGE = "qemu-system-x86_64", "qemu-system-x86"
_DAEMONS = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")
MEMORY = 1024  # MiB
_START = 10.0  # seconds for the daemon to listen
_BOOTS = 3  # of a guest whose kernel dies before its first program: emulated clocks may stand still on a busy host


def missing() -> str | None:
    """What this machine lacks for guests, or None."""
    import os
    import platform

    if platform.machine() != "x86_64":
        return f"the kernels are those of x86-64, and this machine is {platform.machine()}"
    if shutil.which(QEMU) is None:
        return f"{QEMU} is not installed: apt-get install --no-install-recommends {PACKAGE}"
    if _daemon() is None:
        return f"virtiofsd is not installed (in {PACKAGE}, or a package of its own)"
    if os.geteuid():
        return "sharing the host's files takes root (virtiofsd)"
    return None


def run(kernel: Fetched, busybox: Path, command: str, seconds: float, told: Callable[[str], None]) -> int:
    """The command's status in a guest; each line of its output goes to `told`. Unavailable where the guest dies, or
    does not end in so many seconds."""
    reason = missing()
    if reason is not None:
        raise Unavailable(reason)
    for _ in range(_BOOTS):
        with tempfile.TemporaryDirectory(prefix="bpfvm-vm-") as folder:
            first = Path(folder) / "initrd"
            first.write_bytes(initrd(kernel, busybox, command))
            with _shared(Path(folder) / "share") as share:
                status = _guest(kernel, first, share, seconds, told)
        if status is not None:
            return status
    raise Unavailable(f"the guest with kernel {kernel.release} does not boot, tried {_BOOTS} times")


@contextmanager
def _shared(share: Path) -> Iterator[Path]:
    """The host's files behind a socket."""
    daemon = subprocess.Popen(
        [_daemon() or "", f"--socket-path={share}", "-o", "source=/", "-o", "cache=auto", "-o", "sandbox=chroot"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(share, daemon)
        yield share
    finally:
        daemon.kill()
        daemon.wait()


def _guest(kernel: Fetched, first: Path, share: Path, seconds: float, told: Callable[[str], None]) -> int | None:
    """The command's status; None where the kernel died before its first program."""
    cpu = f"max,{kernel.kernel.cpu}" if kernel.kernel.cpu else "max"
    line = "console=ttyS0 panic=-1 quiet mitigations=off nokaslr"
    if kernel.kernel.lsm:
        line += f" lsm={kernel.kernel.lsm}"
    words = [
        "timeout", str(int(seconds)), QEMU, "-nodefaults", "-no-user-config", "-machine", "q35",
        "-accel", "tcg,thread=multi", "-cpu", cpu, "-m", str(MEMORY), "-smp", "1", "-nographic", "-serial", "stdio",
        "-no-reboot", "-kernel", str(kernel.image), "-initrd", str(first), "-append", line,
        "-chardev", f"socket,id=share,path={share}", "-device", "vhost-user-fs-pci,chardev=share,tag=rootfs",
        "-object", f"memory-backend-memfd,id=memory,size={MEMORY}M,share=on", "-numa", "node,memdev=memory",
    ]  # fmt: skip
    last, status, begun = "", None, False
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as guest:
        assert guest.stdout is not None
        for raw in guest.stdout:
            text = raw.decode(errors="replace").rstrip("\r\n")
            if END in text:
                status = int(text.rpartition(END)[2])
                continue
            begun = begun or BEGIN in text
            last = text or last
            told(text)
    if status is None and (begun or guest.returncode == 124):
        late = f"did not end in {seconds:.0f} s"
        why = late if guest.returncode == 124 else f"ended by itself; its last line: {last!r}"
        raise Unavailable(f"the guest with kernel {kernel.release} {why}")
    return status


def _daemon() -> str | None:
    return next((one for one in _DAEMONS if Path(one).is_file()), shutil.which("virtiofsd"))


def _wait_for(share: Path, daemon: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START
    while not share.exists():
        if daemon.poll() is not None or time.monotonic() > end:
            raise Unavailable("virtiofsd does not start")
        time.sleep(0.02)
