"""Numbers that were read from memory and stand there still: reading one again gives the same one, with all that tests
have shown of it.

Of the stack and the packet, which nobody else changes. An entry stands in the state, so it holds on the ways behind the
read, and until something is stored where it may lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bpfvm.compiler.frontend.state import Read, State
from bpfvm.compiler.frontend.types import Number
from bpfvm.compiler.ir.types import Ptr
from bpfvm.compiler.ir.types import Value as Register

SPACES = ("stack", "packet")
_MOST = 64  # numbers that are remembered, the last ones


def number(state: Callable[[], State], key: Read, read: Callable[[], Number]) -> Number:
    """The number of an earlier read, else that of `read`, which is noted. state: where the translation stands."""
    found = state().standing.get(key)
    if found is not None:
        return found
    made = read()
    known = state().standing
    if len(known) >= _MOST:
        del known[next(iter(known))]
    known[key] = made
    return made


def forget(state: State, where: Register | str | None, part: tuple[int, int] | None, maps: bool) -> None:
    """Something is stored: at an address, somewhere in a space, anywhere (None). part: from which byte there to which,
    where that is known. maps: elements may go with that."""
    if where is None and maps:
        state.looked = {}
    if state.standing or state.looked:
        state.standing = {key: one for key, one in state.standing.items() if _apart(key, where, part)}
        gone = [key for key in state.looked if isinstance(key[1], Standing) and not _apart(key[1].key, where, part)]
        for one in gone:
            del state.looked[one]


class Standing:
    """Bytes at an address, for as long as nothing is stored there. Equal where the address is."""

    __slots__ = ("key",)

    def __init__(self, space: str, base: Register, offset: int, size: int) -> None:
        self.key: Read = space, base, offset, size, None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Standing) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def _apart(key: Read, where: Register | str | None, part: tuple[int, int] | None) -> bool:
    """Whether a store leaves a place as it is."""
    if where is None:
        return False
    space, base, first, size, _ = key
    if isinstance(where, str):
        return space != where
    if not isinstance(where.type, Ptr):
        return False
    if space != where.type.space:
        return True
    if base is where and part is not None:
        return first + size <= part[0] or part[1] <= first
    mine, other = _object(base), _object(where)
    return mine is not None and other is not None and mine != other


def _object(address: Register | None) -> int | None:
    """The stack object that an address lies in, None where that is not known."""
    while address is not None and address.op == "add":
        address = address.args[0]
    return address.imm if address is not None and address.op == "slot" else None


def common(states: Sequence[State]) -> dict[Read, Number]:
    """What stands on every way."""
    first, *others = states
    return {key: one for key, one in first.standing.items() if all(x.standing.get(key) is one for x in others)}
