"""What `print` does not show, or not as the kernel would."""

import sys

from bpfvm import char, s32, u8, u32, u64

WIDTH = 4


def program(a: u32, b: s32) -> u64:
    text, data = char[600](), u8[4]()
    print(f"{b:x}")  #~ E021 `b` lies in [-2147483648, 2147483647], and is shown in hexadecimal
    print(f"{a:c}")  #~ E021 `a` lies in [0, 4294967295], and `c` shows 1 to 127
    print(f"{a:b}")  #~ E022 is int, which is not printed as `b`
    print(f"{a:,}")  #~ E022 is int, which is not printed as `,`
    print(f"{a!r}")  #~ E022 is not printed here
    print(f"{a:{WIDTH}}")  #~ E022 is not printed here
    print(a > 1)  #~ E022 is a truth value, which CPython prints as a word
    print(f"{a > 1:d}")
    print(data)  #~ E022 `data` is an array u8[4], which is not printed
    print(f"{text:^9}")  #~ E022 is an array char[600], which is not printed as `^9`
    print(text)  #~ E022 the line may have 600 bytes, with 601 bytes of values
    print("Grüße")  #~ E022 `print` cannot show 'ü'
    print(a, file=sys.stderr)  #~ E013 takes sep and end, constant texts, by name here, not `file`
    print(a, a, a, a, a, a, a, a, a, a, a, a, a)  #~ E013 a line shows 12 values at most, and this one has 13
    print(a * a * a)  #~ E040 may not fit in 64 bits
    x = f"{a}"  #~ E063 an f-string outside of print
    return 1
