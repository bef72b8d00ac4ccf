"""Reads of kernel memory at addresses that are none: errors as on x86-64 with five levels of page tables."""

from __future__ import annotations

import errno

import pytest

from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from tests.engines import EMULATORS

TEXT = "r1 = r10\nr1 += -8\nr2 = 8\nr3 = {:#x} ll\ncall 113\nexit"


@pytest.mark.parametrize("name", EMULATORS)
@pytest.mark.parametrize(("address", "error"), [
    (8, errno.ERANGE), ((1 << 47) - 1, errno.ERANGE), (1 << 47, errno.EFAULT), ((1 << 56) - 1, errno.EFAULT),
    (1 << 56, errno.ERANGE), (1 << 63, errno.ERANGE),
    (0xFFFF_8000_0000_0000, errno.EFAULT), ((1 << 64) - 8, errno.EFAULT),
])  # fmt: skip
def test_where_user_space_ends(address: int, error: int, name: str) -> None:
    insns = tuple(assemble(TEXT.format(address)))
    spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", insns)}, {})
    with Emulator(name).load(spec, "p", {}) as loaded:
        assert loaded.run(Input(ctx=b"")).r0 == -error % (1 << 64)
