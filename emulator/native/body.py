"""LLVM IR over the arena, line by line: what functions on maps are written with."""

from __future__ import annotations

from bpfvm.emulator.native.state import INDEX

PATIENCE = 100  # looks at a lock before another thread may run
LOCKING = (
    "declare i32 @sched_yield()",
    f"""
define internal void @lock(ptr %st, i64 %number) {{
entry:
  %place = getelementptr i64, ptr %st, i64 {INDEX["locks"]}
  %locks = load ptr, ptr %place
  %word = getelementptr [64 x i8], ptr %locks, i64 %number
  br label %try
try:
  %looks = phi i64 [ 0, %entry ], [ %more, %wait ], [ 0, %yield ]
  %pair = cmpxchg ptr %word, i32 0, i32 1 acquire monotonic
  %got = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %got, label %out, label %wait
wait:
  %more = add i64 %looks, 1
  %long = icmp ugt i64 %more, {PATIENCE}
  br i1 %long, label %yield, label %try
yield:
  %ignored = call i32 @sched_yield()
  br label %try
out:
  ret void
}}
define internal void @unlock(ptr %st, i64 %number) {{
  %place = getelementptr i64, ptr %st, i64 {INDEX["locks"]}
  %locks = load ptr, ptr %place
  %word = getelementptr [64 x i8], ptr %locks, i64 %number
  store atomic i32 0, ptr %word release, align 4
  ret void
}}""",
)


class Body:
    """Text of functions whose first parameters are %base, the arena's host address, and %st. arena: its size.

    lock: the number of the map's lock, where several threads look things up and change them.
    """

    def __init__(self, arena: int, lock: int | None = None) -> None:
        self.arena, self.lock = arena, lock
        self.text: list[str] = []
        self._temporaries = 0

    def emit(self, text: str) -> str:
        """Append an instruction with a result; its name."""
        self._temporaries += 1
        self.text.append(f"  %v{self._temporaries} = {text}")
        return f"%v{self._temporaries}"

    def line(self, text: str) -> None:
        self.text.append(f"  {text}")

    def label(self, name: str) -> None:
        self.text.append(f"{name}:")

    def branch(self, condition: str, yes: str, no: str) -> None:
        """Go one of two ways; the second begins."""
        self.line(f"br i1 {condition}, label %{yes}, label %{no}")
        self.label(no)

    def mine(self, stride: int) -> str:
        """The distance of this CPU's value from the first."""
        place = self.emit(f"getelementptr i64, ptr %st, i64 {INDEX['cpu']}")
        return self.emit(f"mul i64 {self.emit(f'load i64, ptr {place}')}, {stride}")

    def host(self, address: str, off: int = 0) -> str:
        moved = self.emit(f"add i64 {address}, {off}") if off else address
        return self.emit(f"getelementptr i8, ptr %base, i64 {self.emit(f'and i64 {moved}, {self.arena - 1}')}")

    def load32(self, host: str) -> str:
        return self._settled(self.emit(f"load i32, ptr {host}, align 1"), 32)

    def _settled(self, value: str, bits: int) -> str:
        """Some value, where another thread that stores makes it any."""
        return value if self.lock is None else self.emit(f"freeze i{bits} {value}")

    def words(self, host: str, size: int) -> list[str]:
        """The words of a key, the last one filled up with zeros."""
        found = []
        for at in range(0, size, 4):
            place = self.emit(f"getelementptr i8, ptr {host}, i64 {at}") if at else host
            found.append(self._partial(place, size - at) if size - at < 4 else self.load32(place))
        return found

    def _partial(self, host: str, size: int) -> str:
        bits = 8 if size == 1 else 16
        low = self._settled(self.emit(f"load i{bits}, ptr {host}, align 1"), bits)
        word = self.emit(f"zext i{bits} {low} to i32")
        if size < 3:
            return word
        high = self.emit(f"load i8, ptr {self.emit(f'getelementptr i8, ptr {host}, i64 2')}, align 1")
        wide = self.emit(f"zext i8 {self._settled(high, 8)} to i32")
        return self.emit(f"or i32 {word}, {self.emit(f'shl i32 {wide}, 16')}")

    def link(self, host: str) -> str:
        """A word that leads to an element, an i32; another thread may change it."""
        return self.load32(host) if self.lock is None else self.emit(f"load atomic i32, ptr {host} acquire, align 4")

    def store_link(self, address: str, word: str) -> None:
        """Let a word lead to an element, behind all that was stored in that."""
        how = "store" if self.lock is None else "store atomic"
        order = "" if self.lock is None else " release"
        self.line(f"{how} i32 {word}, ptr {self.host(address)}{order}, align 4")

    def mark_of(self, host: str) -> str:
        """The mark of an element of an LRU map, an i32; threads that look it up store it without the map's lock."""
        return self.emit(f"load atomic i32, ptr {host} monotonic, align 4")

    def set_mark(self, host: str, mark: int) -> None:
        self.line(f"store atomic i32 {mark}, ptr {host} monotonic, align 4")

    def store32(self, address: str, word: str, off: int = 0) -> None:
        """Store a word at a guest address."""
        self.line(f"store i32 {word}, ptr {self.host(address, off)}, align 4")

    def at32(self, address: str, off: int = 0) -> str:
        """The word at a guest address, an i32."""
        return self.load32(self.host(address, off))
