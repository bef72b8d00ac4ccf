"""Numbers of C's as keys, by their bits: those as wide as the key or narrower, and nothing that is computed of them."""

from bpfvm import Hash, UserPtr, s16, s32, u16, u32, u64

words = Hash(u32, u64)
halves = Hash(u16, u64)
wide = Hash(u64, u64)


def program(n: s32, h: s16, p: UserPtr[s32]):  # hook: kprobe f
    words[n] = 1
    words[p[0]] = 1
    halves[h] = 1
    words[h] = 1
    halves[n] = 1  #~ E021 `n` may not fit u16
    wide[n] = 1
    words[n + 1] = 1  #~ E021 `n + 1` may not fit u32
    words[-n] = 1  #~ E021 `-n` may not fit u32
