"""The BTF that the kernel's types come from: the running kernel's, or that of a file. Read when it is asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bpfvm.core.errors import Unavailable

if TYPE_CHECKING:
    from bpfvm.obj.btf_index import BtfIndex

RUNNING = "/sys/kernel/btf/vmlinux"
VARIABLE = "BPFVM_BTF"


class Kernel:
    """One kernel's types. path: of the file in use, "" for what VARIABLE names, or the running kernel's."""

    def __init__(self) -> None:
        self.path = ""
        self.opened: dict[str, BtfIndex] = {}  # by path; types are the same objects as long as the process lives

    @property
    def types(self) -> BtfIndex:
        """The BTF in use. Unavailable where there is none."""
        from bpfvm.obj.btf_index import open_index

        path = self.path or os.environ.get(VARIABLE) or RUNNING
        if path not in self.opened:
            if path == RUNNING and not os.path.exists(path):
                raise Unavailable(
                    f"this machine has no {RUNNING}; name a file with a kernel's BTF: {VARIABLE}=vmlinux.btf, or "
                    "bpfvm.vmlinux.load(path)"
                )
            self.opened[path] = open_index(path)
        return self.opened[path]


KERNEL = Kernel()
