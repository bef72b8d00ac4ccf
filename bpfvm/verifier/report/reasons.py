"""Rejections by their words: what is wrong, and what to do about it. The first row that matches counts."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """words: a pattern of the kernel's message. title: its kind. reason, suggestion: for who wrote the program."""

    words: str
    title: str
    reason: str
    suggestion: str


_ACCESS, _MEMORY, _STACK = "Invalid access", "Memory bounds", "Stack"
ROWS: tuple[Reason, ...] = (
    Reason(r"invalid mem access '\w*map_value_or_null'", f"{_ACCESS}: map value that may be null",
           "A look-up gives null where the key is not in the map, and this pointer was not compared with null.",
           "compare the pointer with null and leave before this access"),
    Reason(r"invalid mem access '\w+_or_null'", f"{_ACCESS}: pointer that may be null",
           "What gave this pointer may give null, and it was not compared with null.",
           "compare the pointer with null and leave before this access"),
    Reason(r"invalid mem access 'scalar'", f"{_ACCESS}: a number is followed",
           "The register holds a number, no pointer that the verifier knows: it was computed, or loaded from memory, "
           "or stopped being a pointer when a helper moved the packet or a record was given back.",
           "get the pointer anew, or read kernel memory by bpf_probe_read_kernel"),
    Reason(r"invalid mem access '", f"{_ACCESS}: pointer of a kind that is not followed",
           "Pointers of this kind are compared or handed to helpers; memory is not behind them.",
           "use a pointer to the data itself"),
    Reason(r"ctx ptr|ctx access", f"{_ACCESS}: changed context pointer",
           "A field of the context is at a constant distance from the pointer that the program was given.",
           "keep the context pointer as it is, and use constant offsets"),
    Reason(r"access beyond struct|doesn't have field at", f"{_ACCESS}: object of the kernel",
           "There is no member of the structure at this place, or it is not as wide.",
           "use a member of the structure with its width"),
    Reason(r"flow keys|sock\w* access", f"{_ACCESS}: field of a kernel structure",
           "There is no such field in what the pointer points to, or not at this width.",
           "use a field of the structure with its width"),
    Reason(r"BPF_LD_\[?ABS", "Legacy packet load", "Loads of skb[…] want the context in r6, in a program with an skb.",
           "use bpf_skb_load_bytes, or direct packet access"),
    Reason(r"uses reserved fields|unknown opcode|ld_imm64 insn|invalid atomic opcode|R\d+ is invalid", "Encoding",
           "The bytes are no instruction of this kernel.", "compile the program anew, for this kernel's version"),
    Reason(r"BPF_ATOMIC", "Atomic operation", "Atomic operations work on map values, the stack and memory of records.",
           "copy the value, or keep it in a map"),
    Reason(r"invalid bpf_context access", f"{_ACCESS}: context",
           "Programs of this type have no such field, not at this width, or may not do this to it.",
           "use the field with the width that it has, and one that this program type may read or write"),
    Reason(r"offset is outside of the packet", f"{_MEMORY}: packet",
           "Nothing on this path shows that the packet has these bytes.",
           "compare the pointer behind the last byte with data_end, and leave where it is greater"),
    Reason(r"min value is outside of the allowed memory range", f"{_MEMORY}: below or behind the object",
           "The least offset that is possible here is not inside the object.",
           "keep the offset from 0 to the object's size less the size of the access"),
    Reason(r"max value is outside of the allowed memory range", f"{_MEMORY}: behind the object",
           "The largest offset that is possible here is behind the object's end.",
           "compare the offset with the object's size before, or mask it"),
    Reason(r"unbounded memory access, make sure", f"{_MEMORY}: offset without a bound",
           "Nothing is known of how large the offset is.",
           "compare the offset with a constant before, or mask it with `&`"),
    Reason(r"unbounded memory access, use", f"{_MEMORY}: size without a bound",
           "Nothing is known of how large the size is.", "compare it with a constant before, or mask it with `&`"),
    Reason(r"min value is negative, either use unsigned index", f"{_MEMORY}: offset that may be negative",
           "The offset may be below 0.", "use an unsigned variable, or compare the offset with 0 before"),
    Reason(r"min value is negative, either use unsigned or", f"{_MEMORY}: size that may be negative",
           "The size may be below 0.", "use an unsigned variable, or mask it with `&`"),
    Reason(r"invalid zero-sized read", f"{_MEMORY}: size that may be 0",
           "The helper takes no size of 0, and it may be 0 here.", "leave where it is 0, before the call"),
    Reason(r"!read_ok", "Uninitialized register", "The register was not set on this path, or a call took it away: a "
           "call keeps r6 to r9 only.", "set the variable on every path; keep values over calls in r6 to r9"),
    Reason(r"frame pointer is read only", "Frame pointer", "r10 is never changed.", "copy it, and change the copy"),
    Reason(r"At program exit the register R0|At callback return", "Return value",
           "What is returned may be a value that programs of this type must not return.",
           "return one of the values of this program type on every path"),
    Reason(r"reference leak|Unreleased reference", "Reference leak",
           "What a helper gave (a record, a socket) is still held where the program ends.",
           "give it back on every path: submit or discard a record, release a socket"),
    Reason(r"must be referenced when passed to release|has not been acquired", "Release of what is not held",
           "The program does not own this pointer, or gave it back before.",
           "give back each pointer once, and only owned ones"),
    Reason(r"write to stack|read from stack", f"{_STACK}: out of bounds",
           "The place is not within the 512 bytes of this function's stack.", "use offsets from -512 to -1"),
    Reason(r"misaligned stack access", f"{_STACK}: alignment",
           "A stack access is at an address that its size does not divide.",
           "align the variable to the size of the access"),
    Reason(r"misaligned", "Alignment", "The address is not a multiple of the access's size.",
           "align the access, or read bytes and put them together"),
    Reason(r"combined stack size", f"{_STACK}: too large",
           "The frames of a chain of calls together take more than 512 bytes.",
           "put large variables into a per-CPU array, or inline functions"),
    Reason(r"register spill|register fill", f"{_STACK}: part of a pointer",
           "A pointer on the stack is stored and loaded as a whole.", "store and load all 8 bytes of it"),
    Reason(r"math between .* unbounded min value", "Pointer arithmetic: number without a bound",
           "The number that is added may be as low as a number can be.",
           "compare it with 0 before, or use an unsigned one"),
    Reason(r"subtraction from stack pointer", "Pointer arithmetic",
           "Nothing is subtracted from pointers to the stack.", "add a negative number"),
    Reason(r"cannot return stack pointer|cannot spill pointers", f"{_STACK}: pointer that outlives its function",
           "A function's stack is gone when it returns.",
           "return a number, or let the caller hand in memory of its own"),
    Reason(r"pointer arithmetic|pointer operation|pointer \+=|on pointer prohibited|math between|pointer be out "
           "of bounds|"
           r"subtract|pointer offset", "Pointer arithmetic",
           "Pointers of this kind are not changed so.", "add a bounded number to a pointer to data, and nothing else"),
    Reason(r"div by zero", "Division by zero", "The divisor is the constant 0.", "divide by another number"),
    Reason(r"invalid shift", "Shift", "The shift is not from 0 to the width less 1.", "shift by fewer bits"),
    Reason(r"call stack of", f"{_STACK}: calls", "Functions call one another more than 8 deep, or themselves.",
           "inline functions, or make a loop of the recursion"),
    Reason(r"infinite loop|too large|too complex", "Complexity",
           "The verifier walks every path and every turn of a loop, and it meets a state again or has to walk "
           "too many.",
           "let a counter with a constant bound end the loop, or use bpf_loop"),
    Reason(r"unreachable insn|jump out of range|last insn|invalid destination|middle of ldimm64", "Control flow",
           "Every instruction must be reached, jumps stay in their function, and functions end by exit or a jump.",
           "compile the program anew"),
    Reason(r"cannot use helper|invalid func", "Helper", "Programs of this type have no such helper in this kernel.",
           "use a helper that the program type has: docs/helpers.md lists them"),
    Reason(r"GPL", "License", "The helper is for programs under a license that is compatible with the GPL.",
           "license the program so, if you may"),
    Reason(r"might sleep", "Sleepable", "The helper may sleep, and this program may not.",
           "use a sleepable section (\"lsm.s\", \"fentry.s\", \"uprobe.s\"), or another helper"),
    Reason(r"expected=", "Argument", "The argument is of another kind than the helper takes.",
           "pass what the helper's declaration says, null-checked where it may be null"),
    Reason(r"cannot pass map_type|prog array map", "Map type", "The helper takes maps of other types.",
           "use the helper with a map that it is for"),
    Reason(r"map forbidden|cannot write into|write to change key|modified ctx|access is not allowed|is not allowed",
           "Read-only", "What is behind this pointer is not changed so.", "copy it, and change the copy"),
    Reason(r"packet is not allowed|write into packet", "Packet", "This program or this helper may not do this "
           "to packets.",
           "copy the bytes to the stack first, by bpf_skb_load_bytes for example"),
    Reason(r"cannot be accessed directly", "Lock", "These bytes of the value are the kernel's own.",
           "leave them to the helpers that are for them, and copy other fields one by one"),
    Reason(r"has to have BTF|has no valid bpf_spin_lock|doesn't point to 'struct", "Lock",
           "The kernel finds the lock by the type of the map's values, which must be a structure with one.",
           "put a bpf_spin_lock into the value's structure, and pass its address"),
    Reason(r"lock", "Lock", "One lock at a time, given back in the same function, and no calls meanwhile.",
           "give the lock back before"),
    Reason(r"Caller passes invalid args|invalid args", "Function argument",
           "A global function is verified by its declaration alone, and the caller has to keep to it.",
           "pass what the declaration says, or make the function static"),
    Reason(r"", "Verification", "The verifier does not take this.", ""),
)  # fmt: skip


@functools.lru_cache(maxsize=256)
def reason_of(message: str) -> Reason:
    """The row of a message."""
    return next(row for row in ROWS if re.search(row.words, message))
