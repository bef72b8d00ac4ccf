"""A clock that is read once."""

from bpfvm import u32, u64
import time


def program(a: u32) -> u64:
    return u64(time.time_ns()) - a  #~ W112 `time.time_ns()` is called once, when the
