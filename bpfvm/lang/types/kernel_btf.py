"""The BTF that the kernel's types come from: a file's, the running kernel's, or where there is none the part of one
that ships with bpfvm (tables.linux). Read when it is asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bpfvm.tables import linux

if TYPE_CHECKING:
    from bpfvm.obj.btf.index import BtfIndex

RUNNING = "/sys/kernel/btf/vmlinux"
VARIABLE = "BPFVM_BTF"


class Kernel:
    """One kernel's types. path: of the file in use, "" for what VARIABLE names, or the running kernel's, or ours."""

    def __init__(self) -> None:
        self.path = ""
        self.opened: dict[str, BtfIndex] = {}  # by path; types are the same objects as long as the process lives

    @property
    def types(self) -> BtfIndex:
        """The BTF in use. LoadError for a file that has none."""
        from bpfvm.obj.btf.index import open_index

        path = self.path or os.environ.get(VARIABLE) or (RUNNING if os.path.exists(RUNNING) else os.fspath(linux.TYPES))
        if path not in self.opened:
            self.opened[path] = open_index(path)
        return self.opened[path]

    @property
    def are_shipped(self) -> bool:
        """Whether the types in use are those that ship with bpfvm."""
        return self.types is self.opened.get(os.fspath(linux.TYPES))

    def knows(self, struct: str) -> bool:
        """Whether the types in use have a struct of this name with its members."""
        from bpfvm.obj.btf.types import Struct

        return self.types.find(Struct, struct) is not None

    @property
    def hint(self) -> str:
        """What to do where the types in use lack one, behind the words that say so."""
        if not self.are_shipped:
            return ""
        return (
            f" (they are the part of Linux {linux.VERSION}'s that ships with bpfvm: name a file with a whole kernel's "
            f"BTF by {VARIABLE}=FILE or vmlinux.load(FILE))"
        )


KERNEL = Kernel()
