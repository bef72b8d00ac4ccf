"""The tests in a process to which the kernel gives no executable memory, nor to those that it starts (from Linux 6.3).

python -m tests.noexec -q tests
"""

from __future__ import annotations

import ctypes
import sys

import pytest

PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1  # prctl(2)


def main(words: list[str]) -> int:
    """Pytest's status, or 2 where the kernel has no such switch."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0):
        print("this kernel has no PR_SET_MDWE: Linux 6.3 has", file=sys.stderr)
        return 2
    return int(pytest.main(words))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
