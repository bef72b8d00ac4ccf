"""What a row of the helper table says: the kinds of arguments and results, closed lists that users can match on."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Arg(enum.Enum):
    """What an argument must be. Memory is as long as the SIZE that follows it says, unless the kind says more."""

    ANY = "a number"
    CTX = "the program's context"
    CTX_OR_NULL = "the program's context, or null"
    MAP = "a map"
    KEY = "memory of the map's key size"
    VALUE = "memory of the map's value size"
    VALUE_OR_NULL = "memory of the map's value size, or null"
    VALUE_OUT = "memory of the map's value size, which is written"
    MEM = "memory, which is read"
    MEM_OR_NULL = "memory, which is read, or null"
    OUT = "memory, which is written"
    INOUT = "memory, which is read and written"
    INOUT_OR_NULL = "memory, which is read and written, or null"
    SIZE = "a size in bytes, not 0"
    SIZE_OR_ZERO = "a size in bytes"
    CONST_SIZE = "a size in bytes, constant: the result has it"
    FIXED = "memory of a size of its own, which is read"
    FIXED_OUT = "aligned memory of a size of its own, which is written"
    FIXED_INOUT = "aligned memory of a size of its own, which is read and written"
    TEXT = "constant text in a read-only map, ended by a zero"
    FUNC = "a function of the program"
    STACK_OR_NULL = "stack memory for the function that is called, or null"
    TIMER = "a timer inside a map value"
    LOCK = "a lock inside a map value or an object"
    KPTR = "a place for a kernel object's pointer inside a map value or an object"
    BTF = "a kernel object, typed by BTF"
    BTF_OR_NULL = "a kernel object, typed by BTF, or null"
    BTF_GIVEN = "a kernel object that the program owns and gives away, or null"
    PER_CPU_VAR = "a per-CPU kernel variable, typed by BTF"
    SOCK = "a socket of any kind"
    SOCK_COMMON = "a socket of any kind, as the look-up helpers and contexts give it"
    SOCK_OR_NULL = "a socket of any kind, or null"
    SOCKET_OR_NULL = "a full socket, or null"
    SOCK_GIVEN = "a socket that the program owns and releases"
    RECORD_GIVEN = "a ring buffer record that the program owns and releases"
    DYNPTR = "a dynptr"
    DYNPTR_OUT = "a dynptr, which is made"
    DYNPTR_RECORD_OUT = "a dynptr, which is made to own a ring buffer record"
    DYNPTR_GIVEN = "a dynptr whose ring buffer record the program releases"
    ITER = "an iterator"
    ITER_OUT = "an iterator, which begins"
    ITER_GIVEN = "an iterator, which ends"


class Ret(enum.Enum):
    """What r0 is after the call."""

    NUMBER = "a number"
    NOTHING = "nothing that a program may use"
    VALUE = "a pointer to a map value"
    VALUE_OR_NULL = "a pointer to a map value, or null"
    SOCKET_OR_NULL = "a pointer to a full socket, or null"
    SOCK_COMMON_OR_NULL = "a pointer to a socket of any kind, or null"
    TCP_SOCK_OR_NULL = "a pointer to a TCP socket, or null"
    BTF = "a pointer to a kernel object"
    BTF_OR_NULL = "a pointer to a kernel object, or null"
    RECORD_OR_NULL = "a pointer to a ring buffer record, or null"
    DYNPTR_MEM_OR_NULL = "a pointer to a dynptr's memory, or null"
    VAR = "a pointer to a kernel variable"
    VAR_OR_NULL = "a pointer to a kernel variable, or null"


RELEASING = frozenset({Arg.SOCK_GIVEN, Arg.RECORD_GIVEN, Arg.DYNPTR_GIVEN, Arg.BTF_GIVEN})


@dataclass(frozen=True, slots=True)
class Helper:
    """One helper.

    id, name: as in enum bpf_func_id. args: at most five, in r1 to r5. since: the kernel that brought it.
    prototype: result and parameters in C, with fixed-size integers by their short names.
    gpl: only programs with a GPL-compatible license may call it. sleeps: only sleepable programs may.
    sizes: bytes behind each argument of a FIXED kind, in order.
    acquires: the result, or the dynptr that is made, must be given back. moves_packet: pointers into the packet are
    not good any more after the call. packet: memory arguments may lie in the packet.
    variants: argument kinds where they are others, behind the program types, separated by blanks.
    """

    id: int
    name: str
    prototype: str
    args: tuple[Arg, ...]
    ret: Ret
    since: str
    doc: str
    gpl: bool = False
    sleeps: bool = False
    sizes: tuple[int, ...] = ()
    acquires: bool = False
    moves_packet: bool = False
    packet: bool = False
    variants: tuple[tuple[str, tuple[Arg, ...]], ...] = ()

    @property
    def releases(self) -> bool:
        """Whether the call gives back what another one acquired."""
        return any(arg in RELEASING for arg in self.args)

    @property
    def called(self) -> str:
        """What messages call it, as the kernel's do: "bpf_map_lookup_elem#1"."""
        return f"bpf_{self.name}#{self.id}"

    @property
    def declaration(self) -> str:
        """The C declaration: "long bpf_map_delete_elem(void *map, const void *key)"."""
        result, _, params = self.prototype.partition("(")
        return f"{result}{'' if result.endswith('*') else ' '}bpf_{self.name}({params}"

    def args_in(self, program_type: str) -> tuple[Arg, ...]:
        """Kinds of arguments in programs of one type."""
        return next((args for types, args in self.variants if program_type in types.split()), self.args)
