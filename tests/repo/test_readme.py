"""README's commands are the ones that the continuous integration runs, and its examples give what they print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
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


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "python"])
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
