"""The compiler calls what computes and what looks; nothing that acts, waits or never ends."""

import math
import os
import time

from bpfvm import u32, u64

hosts = [1, 2, 3]


def program(a: u32) -> u64:  # hook: function
    os.remove("no such file")  #~ E063 is not available in this version
    time.sleep(1000)  #~ E063 is not available in this version
    hosts.append(4)  #~ E063 is not available in this version  #~ W113 `hosts` is a list
    b = math.factorial(1000000000)  #~ E045 does not fit in 64 bits by far
    return math.factorial(5) + math.comb(5, 2) + hosts.index(3) + a + b
