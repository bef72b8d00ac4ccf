"""A parameter without a type, and one with a type that is not there."""

from bpfvm import u32


def program(a, b: "u33") -> u32:  #~ E014 parameter a needs a type, such as `a: u32` #~ E014 the annotation 'u33' of b fails: name 'u33' is
    return a
