"""The kernels of the matrix: Debian's packages, the newest of each series, fetched by apt into a cache and unpacked.

apt gets lists of its own in the cache: the machine's sources and lists stay as they are. The archive's addresses are
those that the machine's own sources name.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_DAY = 86_400.0  # seconds for which lists count as new
_SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))
_SECURITY = re.compile(r"https?://\S*debian-security\S*")
_ARCHIVE = re.compile(r"https?://\S*/debian/?(?=\s|$)")
BUSYBOX = "busybox-static"


class Unavailable(Exception):
    """Why the matrix cannot run here, in one line."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """name: its series. suite: of Debian. packages: patterns of their names, the version in common. security: whether
    it comes from the security archive. cpu: beside `max`, for qemu. lsm: of the command line, where Debian's own list
    of security modules lacks bpf."""

    name: str
    suite: str
    packages: tuple[str, ...]
    security: bool = False
    cpu: str = ""
    lsm: str = ""


KERNELS: tuple[Kernel, ...] = (
    Kernel("5.10", "bullseye-security", (r"linux-image-5\.10\.[\w.-]+-cloud-amd64",), security=True,
           lsm="lockdown,yama,integrity,apparmor,bpf"),
    Kernel("6.1", "bookworm-security", (r"linux-image-6\.1\.0-\d+-cloud-amd64",), security=True),
    # QEMU 7.2 emulates cmpxchg16b so that 6.12 dies of it
    Kernel("6.12", "bookworm-backports", (r"linux-image-6\.12\.[\w+.-]+-cloud-amd64",), cpu="-cx16"),
    Kernel("7", "forky", (r"linux-binary-7\.[\w+.-]+-cloud-amd64", r"linux-modules-7\.[\w+.-]+-cloud-amd64")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fetched:
    """A kernel on disk. release: as uname says. image: the file to boot. modules: the folder of its modules."""

    kernel: Kernel
    release: str
    image: Path
    modules: Path


def cache() -> Path:
    """The folder for what is fetched."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bpfvm-tests" / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fetched(kernels: Iterable[Kernel]) -> tuple[list[Fetched], Path]:
    """The kernels and busybox, unpacked. Unavailable says what is lacking."""
    chosen = list(kernels)
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is not installed: kernels are Debian's packages")
    found = []
    with open(cache() / "lock", "w") as lock:  # apt's own lists are read by one at a time
        fcntl.flock(lock, fcntl.LOCK_EX)
        apt = _Apt()
        for one in chosen:
            folders = [apt.unpacked(apt.newest(one, pattern)) for pattern in one.packages]
            found.append(_fetched(one, folders))
        busybox = next(apt.unpacked(BUSYBOX).rglob("bin/busybox"), None)
    if busybox is None:
        raise Unavailable(f"package {BUSYBOX} holds no busybox")
    return found, busybox


def _fetched(kernel: Kernel, folders: list[Path]) -> Fetched:
    images = [one for folder in folders for one in folder.rglob("vmlinuz*")]
    trees = [one for folder in folders for one in folder.rglob("kernel")]
    modules = [one.parent for one in trees if one.parent.parent.name == "modules"]
    if not images or not modules:
        raise Unavailable(f"the packages of {kernel.name} hold no kernel or no modules")
    return Fetched(kernel, modules[0].name, images[0], modules[0])


class _Apt:
    """apt with sources and lists of our own."""

    def __init__(self) -> None:
        self._folder = cache()
        lists = self._folder / "lists"
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        (self._folder / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        sources = self._folder / "sources.list"
        text = _sources(KERNELS)
        fresh = sources.exists() and sources.read_text() == text and time.time() - sources.stat().st_mtime < _DAY
        self._options = [
            "-q", "-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=/dev/null",
            "-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={self._folder}", "-o", "Acquire::Languages=none",
            "-o", "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false", "-o", "APT::Sandbox::User=root",
        ]  # fmt: skip
        if not fresh:
            sources.write_text(text)
            self._ask("apt-get", "update")

    def newest(self, kernel: Kernel, pattern: str) -> str:
        """The package of the highest version whose name matches. Unavailable for none."""
        names = self._ask("apt-cache", "search", "--names-only", "^linux-(image|binary|modules)-.*-cloud-amd64$")
        found = [name for name in (line.split()[0] for line in names.splitlines()) if re.fullmatch(pattern, name)]
        if not found:
            raise Unavailable(f"Debian's {kernel.suite} has no package {pattern} any more")
        return max(found, key=lambda name: [int(one) for one in re.findall(r"\d+", name)])

    def unpacked(self, package: str) -> Path:
        """The folder with the package's files."""
        folder = self._folder / package
        if not folder.exists():
            fetching = self._folder / f"fetching.{os.getpid()}"
            fetching.mkdir()
            try:
                self._ask("apt-get", "download", package, folder=fetching)
                (archive,) = fetching.glob("*.deb")
                self._run("dpkg-deb", "-x", str(archive), str(fetching / "files"))
                (fetching / "files").rename(folder)
            finally:
                shutil.rmtree(fetching)
        return folder

    def _ask(self, tool: str, *words: str, folder: Path | None = None) -> str:
        return self._run(tool, *self._options, *words, folder=folder)

    def _run(self, *command: str, folder: Path | None = None) -> str:
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{command[0]}: {error}") from None
        if done.returncode:
            raise Unavailable(f"{command[0]}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
        return done.stdout


def _sources(kernels: Iterable[Kernel]) -> str:
    """Lines of sources.list. Unavailable where the machine's own name no archive of Debian."""
    text = ""
    for one in _SOURCES:
        files = sorted(one.glob("*.sources")) + sorted(one.glob("*.list")) if one.is_dir() else [one]
        for file in files:
            if file.is_file():
                text += file.read_text(encoding="utf-8", errors="replace") + "\n"
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    archive, security = _ARCHIVE.search(lines), _SECURITY.search(lines)
    if archive is None or security is None:
        raise Unavailable("this machine's apt sources name no archive of Debian and its security updates")
    suites = dict.fromkeys((security[0] if one.security else archive[0], one.suite) for one in kernels)
    suites.setdefault((archive[0], "bookworm"))
    return "".join(f"deb {address} {suite} main\n" for address, suite in suites)
