"""Two ways to format a number."""

from bpfvm import u32


def program(a: u32) -> u32:
    x = f"{a}"  #~ E063 an f-string outside of print
    y = "%d" % a  #~ E022 `%` takes numbers, and `"%d"` is the str '%d'
    return a
