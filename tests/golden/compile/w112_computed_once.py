"""Calls that may give another result another time are computed when the program is compiled."""

import os

from bpfvm.lang.types.scalars import u32


def program(a: u32) -> bool:  # hook: function
    return a == os.getpid()  #~ W112 is called once, when the program is compiled
