"""Lists, dicts and sets around the function are held as they are now; it is said once of each."""

from bpfvm.lang.types.scalars import u32

PORTS = [22, 80]
NAMES = {"a": 1}
READ_IN_A_LOOP = [1, 2]


def program(a: u32) -> bool:  # hook: function
    if a in PORTS:  #~ W113 `PORTS` is a list, which may change
        return True
    total = 0
    for i in range(a):  # whose body is looked at twice
        total += READ_IN_A_LOOP[i & 1]  #~ W113 `READ_IN_A_LOOP` is a list
    if total == 7:
        return False
    return sum(PORTS) == a or a == NAMES["a"]  #~ W113 `NAMES` is a dict
