"""The golden file encodings.tsv: reading it, and `python -m tests.unit.isa.encodings`, which lets LLVM write it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

FILE = Path(__file__).with_name("encodings.tsv")
TRIPLES = {"little": "bpfel", "big": "bpfeb"}
BY_HAND = "-"
_ENCODING = re.compile(r"# encoding: \[([0-9a-fx,]+)\]")


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction: its row, our text, LLVM's text (or BY_HAND), its bytes in hex by byte order."""

    row: str
    text: str
    llvm: str
    little: str
    big: str

    def code(self, endian: str) -> bytes:
        return bytes.fromhex(self.little if endian == "little" else self.big)


def read() -> list[Line]:
    """The lines of the file, without its comments."""
    return [Line(*line.split("\t")) for line in FILE.read_text().splitlines() if not line.startswith("#")]


def tool(name: str) -> str | None:
    """LLVM 19's program of that name, or None."""
    return shutil.which(f"{name}-19")


def assembled(llvm_mc: str, endian: str, texts: list[str]) -> list[str]:
    """What LLVM makes of each text, in hex. ValueError where it does not assemble one."""
    command = [llvm_mc, f"-triple={TRIPLES[endian]}", "-mcpu=v4", "--show-encoding"]
    done = subprocess.run(command, input="\n".join(texts) + "\n", capture_output=True, text=True, check=False)
    found = _ENCODING.findall(done.stdout)
    if done.returncode or len(found) != len(texts):
        raise ValueError(f"{len(found)} of {len(texts)} texts assembled: {done.stderr.strip()}")
    return [bytes(int(one, 16) for one in word.split(",")).hex(" ") for word in found]


def refreshed(llvm_mc: str, lines: list[Line]) -> list[Line]:
    """The lines with the bytes that LLVM gives; those by hand as they are."""
    texts = [line.llvm for line in lines if line.llvm != BY_HAND]
    made = zip(assembled(llvm_mc, "little", texts), assembled(llvm_mc, "big", texts), strict=True)
    out = []
    for line in lines:
        if line.llvm != BY_HAND:
            little, big = next(made)
            line = replace(line, little=little, big=big)
        out.append(line)
    return out


def main() -> None:
    llvm_mc = tool("llvm-mc")
    if llvm_mc is None:
        raise SystemExit("llvm-mc-19 is not installed; on Debian it is in the package llvm-19")
    comments = [line for line in FILE.read_text().splitlines() if line.startswith("#")]
    lines = refreshed(llvm_mc, read())
    rows = ["\t".join((one.row, one.text, one.llvm, one.little, one.big)) for one in lines]
    FILE.write_text("\n".join([*comments, *rows]) + "\n")
    print(f"{len(lines)} lines, {sum(one.llvm != BY_HAND for one in lines)} of them by LLVM")


if __name__ == "__main__":
    main()
