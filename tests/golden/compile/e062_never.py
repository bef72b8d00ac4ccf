"""Constructs that no BPF program has."""

from bpfvm.lang.types.scalars import u32


def program(a: u32) -> u32:
    import socket  #~ E062 `import` inside a function

    e = 1
    del e  #~ E062 `del e`
    for x in (i for i in range(3)):  #~ E062 a generator expression outside
        e = x
    if all([a < i for i in range(3)]):  #~ E062 a list comprehension in `any` or `all`
        e = 1
    b = [a]  #~ E062 a list
    c = {a: 1}  #~ E062 a dict
    d = a @ a  #~ E062 `@`
    open("x")  #~ E062 the function `open`
    yield a  #~ E062 `yield`
    return a
