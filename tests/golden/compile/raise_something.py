"""What is raised is no exception."""

from bpfvm import u32


def program(a: u32) -> u32:
    if a > 5:
        raise a  #~ E062 `raise` of anything but a class of exception is
    raise "too large"  #~ E062 `raise` of anything but a class of exception is
