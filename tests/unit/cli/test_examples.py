"""What the examples say of themselves: each command in their texts prints what stands below it, without a kernel."""

from __future__ import annotations

import ast
import io
import shlex
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from bpfvm.cli import status
from bpfvm.obj.captures.pcap import write_capture
from examples import traffic

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted([*(ROOT / "examples").glob("*.py"), *(ROOT / "examples/scripts").glob("*.py")])
TOOLS = [one.name for one in FILES if one.parent.name == "examples" and "__main__" in one.read_text()]


def commands() -> list[tuple[str, str]]:
    """Each command, and what it prints: what stands behind it, up to the next one."""
    found = []
    for file in FILES:
        text = ast.get_docstring(ast.parse(file.read_text())) or ""
        for part in f"\n{text}".split("\n$ ")[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output.strip("\n")))
    return found


COMMANDS = commands()


def test_every_tool_is_shown() -> None:
    print(f"{len(COMMANDS)} commands of {len(TOOLS)} tools")
    assert len(COMMANDS) >= 40
    shown = " ".join(command for command, _ in COMMANDS)
    missing = [one for one in TOOLS if one not in shown and one not in ("traffic.py", "sock_proto.py")]  # README's own
    assert not missing


def _captured(word: str, folder: Path) -> str:
    """The path of a made capture that is named, as its text in examples/traffic.py says; any other word as it is."""
    made = traffic.CAPTURES.get(word.removesuffix(".pcap"))
    if made is None or not word.endswith(".pcap"):
        return word
    path = folder / word
    write_capture(str(path), [(100_000_000 * at, one) for at, one in enumerate(made())])
    return str(path)


@pytest.mark.parametrize("engine", ["portable", "cpython"])
@pytest.mark.parametrize(("command", "output"), COMMANDS, ids=[one for one, _ in COMMANDS])
def test_a_command_prints_what_stands_below_it(
    command: str, output: str, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran, _, cut = command.partition(" | tail -")
    words = [_captured(one, tmp_path) for one in shlex.split(ran)][1:]
    monkeypatch.chdir(ROOT)
    before, path = sys.argv, list(sys.path)
    told, said = io.StringIO(), io.StringIO()
    if engine == "cpython" and ("_object.py" in command or "--object" in command):  # its kernel half is no Python
        engine = "interp"
    try:
        with redirect_stdout(told), redirect_stderr(said):
            code = status([words[0], "--engine", engine, *words[1:]])
    finally:
        sys.argv, sys.path[:] = before, path
    assert (said.getvalue(), code) == ("", 0)
    lines = told.getvalue().splitlines(keepends=True)
    assert "\n".join(one.rstrip() for one in lines[-int(cut) if cut else 0 :]).strip("\n") == output
