"""Names with a letter out of place."""

from bpfvm import u32

limit = 3


def program(value: u32) -> u32:
    if vlaue > limti:  #~ E010 `vlaue` is not defined #~ E010 `limti` is not defined
        return 0
    return vale  #~ E010 `vale` is not defined
