"""XDP programs that keep something by a packet's source, put together of pieces: what captures are run through here.

Every program begins with SOURCE and has a label `out`, at which r0 is what it returns.
"""

from __future__ import annotations

# The source of an IPv4 packet as a key at r10 -4, the packet at r6; 1 for a packet that is too short
SOURCE = """
r6 = *(u32 *)(r1 +0)
r7 = *(u32 *)(r1 +4)
r0 = 1
r3 = r6
r3 += 34
if r3 > r7 goto out
r3 = *(u32 *)(r6 +26)
*(u32 *)(r10 -4) = r3
"""
KEY = "r2 = r10\nr2 += -4\n"


def found(name: str = "flows") -> str:
    """Look up the key."""
    return f"r1 = map[{name}]\n{KEY}call 1\n"


def stored(flags: int, name: str = "flows") -> str:
    """Store the value at r10 -16 under the key."""
    return f"r1 = map[{name}]\n{KEY}r3 = r10\nr3 += -16\nr4 = {flags}\ncall 2\n"


def deleted(name: str = "flows") -> str:
    """Delete the key."""
    return f"r1 = map[{name}]\n{KEY}call 3\n"


def counted(lost: str, name: str = "flows") -> str:
    """Add one to the number under the key, which is put there where it is new; go to `lost` where it has no room."""
    there = f"there_{name}"
    return (
        f"{found(name)}if r0 != 0 goto {there}\n*(u64 *)(r10 -16) = 0\n{stored(1, name)}{found(name)}"
        f"if r0 == 0 goto {lost}\n{there}: r1 = 1\nlock *(u64 *)(r0 +0) += r1\n"
    )


def on_cpu(lost: str, name: str = "cpus") -> str:
    """Add one to element 0 of a per-CPU array."""
    return (
        f"*(u32 *)(r10 -4) = 0\n{found(name)}if r0 == 0 goto {lost}\n"
        "r1 = *(u64 *)(r0 +0)\nr1 += 1\n*(u64 *)(r0 +0) = r1\n"
    )
