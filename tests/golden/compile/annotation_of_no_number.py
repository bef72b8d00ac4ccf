"""Annotations of locals that name no number."""

from bpfvm import u32


def program(a: u32) -> u32:
    x: str = a  #~ E014 `str` is no type of a number
    y: list[int] = a  #~ E014 `list[int]` is no type of a number
    z: unknown_type = a  #~ E014 the annotation `unknown_type` fails
    return a
