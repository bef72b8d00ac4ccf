"""Types of values: numbers, structs, arrays, pointers, and the kernel's own."""

from bpfvm.lang.types import arrays as arrays  # every u8[4] is made by it
