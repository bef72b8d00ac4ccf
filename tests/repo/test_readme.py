"""README's commands are the ones that the continuous integration runs, and its examples give what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
TOOL = 'if __name__ == "__main__":'  # a user half, which attaches
AROUND = {**os.environ, "PYTHONPATH": str(ROOT)}
BLOCKS = [(kind, text) for kind, text in re.findall(r"^```(\w+)\n(.*?)^```", README, re.M | re.S)]


def console() -> list[tuple[str, str]]:
    """(command, output) of every console block, in order."""
    found = []
    for kind, text in BLOCKS:
        if kind == "console":
            for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
                command, _, output = part.partition("\n")
                found.append((command, output))
    return found


def test_the_two_commands_stand_first_and_ci_reads_them_from_here() -> None:
    commands = [command for command, _ in console()]
    assert commands[0].startswith("pip install . &&")
    assert commands[1] == "pip install tox && tox"
    assert "README.md" in (ROOT / ".ci/run").read_text()


def test_the_first_command_prints_what_readme_shows(tmp_path: Path) -> None:
    command, output = console()[0]
    assert output.strip(), "README shows what the command prints"
    ran = command.split(" && ", 1)[1].replace("traffic.pcap", str(tmp_path / "traffic.pcap"))
    script = ran.replace("python ", f"{sys.executable} ").replace("bpfvm run", f"{sys.executable} -m bpfvm run")
    done = subprocess.run(script, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == output


def test_the_tool_is_the_example_and_prints_what_readme_shows(tmp_path: Path) -> None:
    (text,) = (text for kind, text in BLOCKS if kind == "python" and TOOL in text)
    source = (ROOT / "examples/sock_proto.py").read_text()
    assert source.endswith(text), "README shows the example as it is"
    (command, output), *_ = (one for one in console() if one[0].startswith("bpfvm trace"))
    capture = str(tmp_path / "traffic.pcap")
    subprocess.run([sys.executable, "examples/traffic.py", capture], cwd=ROOT, env=AROUND, check=True)
    words = command.replace("traffic.pcap", capture).partition(" | ")[0].split()
    for engine in ("auto", "cpython", "interp"):
        asked = [sys.executable, "-m", "bpfvm", words[1], "--engine", engine, *words[2:]]
        done = subprocess.run(asked, cwd=ROOT, env=AROUND, capture_output=True, text=True, check=False)
        assert (done.stderr, done.returncode) == ("", 0)
        lines = done.stdout.splitlines(keepends=True)
        assert "".join(lines[:2]) == output
        assert len(lines) == 10


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "python" and TOOL not in text])
def test_python_blocks_run(text: str) -> None:
    done = subprocess.run([sys.executable, "-c", _as_file(text)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _as_file(text: str) -> str:
    """Code that runs `text` from a file, as a user's would be: the compiler reads source from files."""
    return (
        "import pathlib, runpy, tempfile\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        f"    path = pathlib.Path(folder, 'block.py'); path.write_text({text!r})\n"
        "    runpy.run_path(str(path), run_name='__main__')\n"
    )
