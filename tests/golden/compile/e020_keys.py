"""Keys of another type than the map's, and keys that may not fit."""

from bpfvm.lang.maps import Array, Counter, Hash
from bpfvm.lang.types.structs import struct
from bpfvm.lang.types.scalars import char, s32, u8, u32, u64


@struct
class Key:
    pid: u32 = 0
    cpu: u8 = 0


counts = Counter(Key)
names = Counter(char[4])
starts = Hash(u32, u64)
small = Hash(u8, u32)
signed = Hash(s32, u32)
hits = Array(u64, 4)


def program(a: u32, b: u64) -> u64:  # hook: function
    counts[a] += 1  #~ E020 key of `counts` must be `Key`
    starts[Key(pid=a)] = 1  #~ E020 key of `starts` must be `u32`
    names[a] += 1  #~ E020 key of `names` must be `char[4]`
    names[b"toolong"] += 1  #~ E021 `b"toolong"` has 7 bytes, and a key of `names` has 4
    small[a] = 1  #~ E021 `a` may not fit u8, the key of `small`
    signed[a] = 1  #~ E021 `a` may not fit s32, the key of `signed`
    starts[a - 1] = 1  #~ E021 `a - 1` may not fit u32
    starts[b] = 1  #~ E021 `b` may not fit u32
    starts[u32(b)] = 1
    starts[0] = Key()  #~ E020 the element must be `u64`
    starts["x"] = 2  #~ E020 key of `starts` must be `u32`
    del hits[0]  #~ E022 cannot be deleted
    return starts.get(b, 0) + starts.size()  #~ E021 `b` may not fit u32 #~ E037 has no attribute `size`
