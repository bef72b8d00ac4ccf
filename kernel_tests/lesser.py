"""These tests as a user who has CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN and nothing else:

python -m kernel_tests.lesser kernel_tests/maps/test_maps.py …        (as root; the arguments are pytest's)

That user may not enter root's home, where interpreter and checkout may be. So they are bound to a folder of their own,
in a mount namespace that ends with the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CAPABILITIES = ("bpf", "perfmon", "net_admin")
NOBODY = 65534
POINTS = ("python", "packages", "checkout", "scratch")
ROOT = Path(__file__).resolve().parents[1]

# $1: the folder; $2 the interpreter's, $3 that of its packages, $4 the checkout; the rest is the command
BIND = """
folder=$1 && shift
for name in python packages checkout; do
    mount --rbind "$1" "$folder/$name" && shift || exit 125
done
mount -t tmpfs -o mode=1777 tmpfs "$folder/scratch" && cd "$folder/checkout" && exec "$@"
"""


def run(command: Sequence[str], timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run `python COMMAND…` from the checkout as that user. Needs root, unshare and setpriv."""
    granted = ",".join(f"+{name}" for name in CAPABILITIES)
    with _mount_points() as folder:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": f"{folder}/scratch", "TMPDIR": f"{folder}/scratch",
            "PYTHONPATH": f"{folder}/checkout:{folder}/packages", "PYTHONDONTWRITEBYTECODE": "1",
            "LD_LIBRARY_PATH": f"{folder}/python/lib", "BPFVM_KERNEL": os.environ.get("BPFVM_KERNEL", "auto"),
        }  # fmt: skip
        asked = [
            "unshare", "--mount", "--propagation", "private", "sh", "-c", BIND, "sh",
            str(folder), sys.base_prefix, sysconfig.get_path("purelib"), str(ROOT),
            "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
            f"--bounding-set=-all,{granted}", f"--inh-caps=-all,{granted}", f"--ambient-caps=-all,{granted}",
            f"{folder}/python/bin/python{version}", *command,
        ]  # fmt: skip
        return subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=timeout, check=False)


@contextmanager
def _mount_points() -> Iterator[Path]:
    """A folder of empty folders, which are removed only if they are empty again."""
    folder = Path(tempfile.mkdtemp(prefix="bpfvm-"))
    folder.chmod(0o755)
    for name in POINTS:
        (folder / name).mkdir()
    try:
        yield folder
    finally:
        for name in POINTS:
            (folder / name).rmdir()
        folder.rmdir()


if __name__ == "__main__":
    done = run(["-m", "pytest", "-p", "no:cacheprovider", *sys.argv[1:]], timeout=3600)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    sys.exit(done.returncode)
