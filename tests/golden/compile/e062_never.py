"""Constructs that no BPF program has."""

from bpfvm.lang.types import u32


def program(a: u32) -> u32:
    import socket  #~ E062 `import` inside a function

    try:  #~ E062 `try`
        e = a + 1
    except ValueError:
        pass
    b = [a]  #~ E062 a list
    c = {a: 1}  #~ E062 a dict
    d = a @ a  #~ E062 `@`
    open("x")  #~ E062 the function `open`
    yield a  #~ E062 `yield`
    return a
