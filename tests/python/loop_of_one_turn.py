"""kernel: infinite loop detected: one turn at most, which the verifier cannot know of the bound."""
from bpfvm import bpf, u8


@bpf.function
def f(a: u8, b: u8) -> u8:
    found = max((3 for i in range(1 // (a + 1) & 2)), default=1)
    for i in range(b // 200):
        found += i + 1
        if b == 201:
            break
        if b == 202:
            continue
        found += 10
    else:
        found += 100
    return found + min((5 for i in range(1 // (a | 1) & 2)), default=2)


INPUTS = ((0, 0), (0, 1), (1, 200), (255, 201), (7, 202), (9, 255))
