"""Look-ups in LPM tries as LLVM IR: emulator.maps.trie.TrieMap.lookup, for data of a width that has a byte order."""

from __future__ import annotations

from bpfvm.emulator.maps.trie import DATA, INNER, PREFIX, ROOT, TrieMap
from bpfvm.emulator.native.body import Body

WIDTHS = (2, 4, 8, 16)  # bytes of data, as integers are swapped


class Seeker(Body):
    """The function of one map on its way to text. It ends however memory looks."""

    def __init__(self, store: TrieMap, number: int, arena: int) -> None:
        super().__init__(arena)
        self._store, self._number = store, number
        self._bits = 8 * (store.spec.key_size - 4)

    def write(self) -> list[str]:
        """The text of the definition: i64 @find<n>(base, st, key)."""
        bits = self._bits
        self.text = [f"define internal i64 @find{self._number}(ptr %base, ptr %st, ptr %key) {{"]
        length = self.load32("%key")
        data = self._data(self.emit("getelementptr i8, ptr %key, i64 4"))
        root = self.at32(str(self._store.control + 4 * ROOT))
        self.branch(self.emit(f"icmp ugt i32 {length}, {bits}"), "none", "begin")
        self.line("br label %loop")
        self.label("loop")
        self.line(f"%node = phi i32 [ {root}, %begin ], [ %next, %on ]")
        self.line("%found = phi i32 [ 0, %begin ], [ %better, %on ]")
        self.line("%turn = phi i32 [ 0, %begin ], [ %more, %on ]")
        tired = self.emit(f"icmp ugt i32 %turn, {bits}")
        self.branch(self.emit(f"or i1 {self.emit('icmp eq i32 %node, 0')}, {tired}"), "out", "look")
        wide = self.emit(f"shl i64 {self.emit('zext i32 %node to i64')}, 2")
        prefix = self.at32(wide, 4 * PREFIX)
        common = self._common(length, data, wide)
        self.branch(self.emit(f"icmp ult i32 {common}, {prefix}"), "out", "fits")  # so prefix is no more than all bits
        element = self.emit(f"icmp eq i32 {self.at32(wide, 4 * INNER)}, 0")
        self.line(f"%better = select i1 {element}, i32 %node, i32 %found")
        self.branch(self.emit(f"icmp eq i32 {prefix}, {bits}"), "last", "on")
        shift = self._from32(self.emit(f"sub i32 {bits - 1}, {prefix}"))
        bit = self.emit(f"trunc i{bits} {self.emit(f'lshr i{bits} {data}, {shift}')} to i1")
        child = self.emit(f"select i1 {bit}, i64 4, i64 0")
        following = self.at32(self.emit(f"add i64 {wide}, {child}"))
        self.line(f"%next = add i32 {following}, 0")
        self.line("%more = add i32 %turn, 1")
        self.line("br label %loop")
        self.label("last")
        self.line("br label %out")
        self.label("out")
        self.line("%end = phi i32 [ %found, %loop ], [ %found, %look ], [ %better, %last ]")
        address = self.emit(f"shl i64 {self.emit('zext i32 %end to i64')}, 2")
        value = self.emit(f"and i64 {self.emit(f'add i64 {address}, {self._store.value}')}, {self.arena - 1}")
        absent = self.emit("icmp eq i32 %end, 0")
        self.line(f"ret i64 {self.emit(f'select i1 {absent}, i64 0, i64 {value}')}")
        self.label("none")
        self.line("ret i64 0")
        return [*self.text, "}"]

    def _common(self, length: str, data: str, node: str) -> str:
        """How many bits a prefix has in common with the data of a node, an i32."""
        bits = self._bits
        differing = self.emit(f"xor i{bits} {data}, {self._data(self.host(node, DATA))}")
        same = self._to32(self.emit(f"call i{bits} @llvm.ctlz.i{bits}(i{bits} {differing}, i1 false)"))
        short = self.emit(f"icmp ult i32 {length}, {same}")
        return self.emit(f"select i1 {short}, i32 {length}, i32 {same}")

    def _data(self, host: str) -> str:
        """Data as a number whose first bit is the highest."""
        word = self.emit(f"load i{self._bits}, ptr {host}, align 1")
        return self.emit(f"call i{self._bits} @llvm.bswap.i{self._bits}(i{self._bits} {word})")

    def _to32(self, value: str) -> str:
        bits = self._bits
        return value if bits == 32 else self.emit(f"{'zext' if bits < 32 else 'trunc'} i{bits} {value} to i32")

    def _from32(self, value: str) -> str:
        bits = self._bits
        return value if bits == 32 else self.emit(f"{'trunc' if bits < 32 else 'zext'} i32 {value} to i{bits}")


def is_native(store: object) -> bool:
    """Whether a look-up in a map has a function here."""
    return isinstance(store, TrieMap) and store.spec.key_size - 4 in WIDTHS
