"""What a row of the context table says, and which accesses the verifier takes by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bpfvm.tables.places import covers, expand


@dataclass(frozen=True, slots=True)
class CtxField:
    """One field. offset, size: bytes; of one element where the field is an array of `count`.

    default: what BPF_PROG_TEST_RUN shows when the caller gives nothing. given: it takes a value from the caller.
    pointer: a load of the field gives this kind of pointer, not a number of the caller's: the packet's start
    ("packet"), its end, its metadata, a socket, a kernel object.
    readers, writers: the program types that may read and write it, in the words of tables.places.
    narrow: which reads of fewer bytes are taken: "any" aligned one, at the field's "start" only, or "behind" it, of 2
    bytes ("halves"), or "" for none. held: bytes that the kernel has of it, where they are fewer than the field's (0:
    all). Values fit them, and a part that is read of at least as many is the whole value, wherever in the field it
    begins (measured for fields that are not zero under BPF_PROG_TEST_RUN).
    wide: 8 bytes at an address that 8 divides are taken over two elements. bytewise: writes of fewer bytes are taken.
    given: BPF_PROG_TEST_RUN takes a value for it.
    """

    name: str
    offset: int
    size: int
    default: int = 0
    pointer: str | None = None
    count: int = 1
    readers: str = "any"
    writers: str = ""
    narrow: str = "any"
    wide: bool = False
    bytewise: bool = False
    given: bool = False
    held: int = 0

    @property
    def end(self) -> int:
        """The offset behind the field."""
        return self.offset + self.size * self.count

    def takes(self, offset: int, size: int, write: bool) -> bool:
        """Whether an access of this place and width is one of those that the field has."""
        if offset % size or not self.offset <= offset < self.end:
            return False
        within = (offset - self.offset) % self.size
        if size == self.size:
            return not within
        if self.pointer is not None:
            return False
        if size > self.size:
            return self.wide and size == 8 and offset + size <= self.end
        return self.bytewise if write else self._reads_part(within, size)

    @property
    def bits(self) -> int:
        """Bits of the largest value."""
        return 8 * (self.held or self.size)

    def part(self, value: int, at: int, size: int) -> int:
        """What a load of `size` bytes at `at` of the structure gives when the element there is `value`."""
        if self.held and self.held <= size:
            return value
        return value >> 8 * ((at - self.offset) % self.size) & ((1 << 8 * size) - 1)

    def _reads_part(self, within: int, size: int) -> bool:
        if self.narrow == "halves":
            return size == 2
        if self.narrow == "behind":
            return within > 0
        return self.narrow == "any" or (self.narrow == "start" and not within)


@dataclass(frozen=True, slots=True)
class Context:
    """One context structure; size in bytes. programs: the types that get it. aliases: other names of fields."""

    name: str
    size: int
    fields: tuple[CtxField, ...]
    programs: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)

    def field(self, name: str) -> CtxField | None:
        """The field called `name`, or None."""
        wanted = self.aliases.get(name, name)
        return next((one for one in self.fields if one.name == wanted), None)

    def named(self, name: str) -> tuple[CtxField, ...]:
        """The fields called `name`, or with an alias for it; more than one where a field has more widths."""
        wanted = self.aliases.get(name, name)
        return tuple(one for one in self.fields if one.name == wanted)

    def open(self, name: str, write: bool, program_type: str, attach_type: str | None = None) -> CtxField | None:
        """The field called `name` that programs of a type may read, or write; None where there is none."""
        for one in self.named(name):
            places = expand(one.writers if write else one.readers, self.programs)
            if covers(places, program_type, attach_type):
                return one
        return None

    def offered(self, write: bool, program_type: str, attach_type: str | None = None) -> tuple[str, ...]:
        """Names of the fields with numbers that programs of a type may read, or write."""
        names = dict.fromkeys(one.name for one in self.fields if one.pointer is None)
        return tuple(name for name in names if self.open(name, write, program_type, attach_type) is not None)

    def access(
        self, offset: int, size: int, write: bool, program_type: str, attach_type: str | None = None
    ) -> CtxField | None:
        """The field that a load or store of `size` bytes at `offset` is of, or None where the verifier refuses it."""
        for one in self.fields:
            words = one.writers if write else one.readers
            places = expand(words, self.programs)
            if one.takes(offset, size, write) and covers(places, program_type, attach_type):
                return one
        return None
