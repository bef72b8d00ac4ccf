"""An attribute of a number that may be an address."""

from bpfvm import u64


def program(filename: u64):  # hook: kprobe f
    return filename.string()  #~ E037 u64 has no attribute `string`
