"""Fields of a struct without their names: the help writes the call."""

from bpfvm.lang.types.scalars import u32
from bpfvm.lang.types.structs import struct


@struct
class Flow:
    src: u32
    port: u32


def program(a: u32) -> u32:
    flow = Flow(a, a + 1)  #~ E013 `Flow` takes its fields by name
    return flow.port
