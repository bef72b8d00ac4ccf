"""What `bpfvm disasm` prints of every committed object. `--update` rewrites the texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.cli import status
from tests.golden.blame import difference

ROOT = Path(__file__).resolve().parents[2]
OBJECTS = ROOT / "tests/objects"
FOLDER = Path(__file__).with_name("disasm")
PATHS = sorted(OBJECTS.rglob("*.o"))


def golden(path: Path) -> Path:
    """The text of an object: disasm/xdp_count.txt, disasm/refused/struct_ops.txt."""
    return FOLDER / path.relative_to(OBJECTS).with_suffix(".txt")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(OBJECTS)))
def test_disassembly(path: Path, update: bool, capsys: pytest.CaptureFixture[str]) -> None:
    code = status(["disasm", str(path)])
    out, err = capsys.readouterr()
    text = out + "".join(f"stderr: {line}\n" for line in err.replace(str(path), path.name).splitlines())
    assert code == 0, err
    if update:
        golden(path).parent.mkdir(exist_ok=True)
        golden(path).write_text(text)
    want = golden(path).read_text() if golden(path).exists() else ""
    assert text == want, difference(golden(path), want, text)


def test_no_text_without_its_object() -> None:
    known = {golden(path) for path in PATHS}
    assert [path.name for path in FOLDER.rglob("*.txt") if path not in known] == []
    print(f"{len(known)} objects")
    assert len(known) >= 80
