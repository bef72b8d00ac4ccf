"""The repository's own shape: links, import guards, imports, sizes."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo.statements import statements

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bpfvm", "compiler", "emulator")
TESTS = ("tests", "kernel_tests", "benchmarks")
FILE_LIMIT, FUNCTION_LIMIT = 600, 60
RELATIVE = re.compile(r"\bfrom[\s\\]*\.")  # what a file that imports relatively has, and few others


def sources(*folders: str) -> Iterator[Path]:
    """Every Python file below the folders, links not followed."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.resolve() == path:
                yield path


@pytest.mark.parametrize("name", ["compiler", "emulator"])
def test_links_point_to_the_real_folders(name: str) -> None:
    link = ROOT / "bpfvm" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name
    assert link.resolve() == ROOT / name


def test_git_keeps_the_links_as_links() -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    asked = ["git", "-c", "safe.directory=*", "ls-files", "-s", "bpfvm/compiler", "bpfvm/emulator"]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["120000", "120000"]


@pytest.mark.parametrize("name", ["compiler", "emulator"])
def test_the_packages_refuse_their_short_names(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert f"ImportError: import this package as 'bpfvm.{name}', not '{name}'" in done.stderr


def test_relative_imports_are_found() -> None:
    for text in ("from . import a", "if a:\n    from .b import c", "a = 1; from ..b import c", "from\\\n.b import c"):
        assert RELATIVE.search(text), text
        assert any(isinstance(one, ast.ImportFrom) and one.level for one in statements(ast.parse(text))), text


def test_imports_are_absolute() -> None:
    seen = 0
    for path in sources(*PACKAGES, *TESTS, "examples"):
        text = path.read_text()
        for node in statements(ast.parse(text)) if RELATIVE.search(text) else ():
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}:{node.lineno} imports relatively"
        seen += 1
    assert seen > 50


def test_files_and_functions_stay_small() -> None:
    files: list[tuple[int, str]] = []
    functions: list[tuple[int, str]] = []
    for path in sources(*PACKAGES, *TESTS):
        text = path.read_text()
        files.append((text.count("\n"), str(path.relative_to(ROOT))))
        for node in statements(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                functions.append(((node.end_lineno or 0) - node.lineno + 1, f"{path.relative_to(ROOT)}:{node.name}"))
    for rows in (files, functions):
        for size, name in sorted(rows, reverse=True)[:10]:
            print(f"{size:>5}  {name}")
    assert max(files)[0] <= FILE_LIMIT, max(files)
    assert max(functions)[0] <= FUNCTION_LIMIT, max(functions)


HEAVY = ("numpy", "click", "rich", "llvmlite", "unicorn", "scapy")
COMMAND = "from bpfvm.cli import status; status({!r}.split())"
HELP, RUN = "run --help", "run tests/packets/acl_trie.o --packet tests/packets/frames_xdp.pcap --engine interp"
SELDOM = ("numpy", "rich", "logging", "tempfile", "difflib", "hashlib", "bpfvm.compiler", "bpfvm.lang.maps",
          "bpfvm.lang.types", "bpfvm.lang.functions", "bpfvm.lang.hooks", "bpfvm.core.diag", "bpfvm.run.coverage",
          "bpfvm.isa.cfg")  # fmt: skip
# What runs of objects need where users' functions stand for helpers, kernel functions are called, maps are viewed …
OF_FEW = ("bpfvm.emulator.answers", "bpfvm.emulator.kfuncs", "bpfvm.tables.kfuncs", "bpfvm.emulator.state",
          "bpfvm.obj.values.records", "bpfvm.obj.values.typed_map", "bpfvm.obj.elf.build")  # fmt: skip


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import bpfvm", (*HEAVY, "ctypes", "bpfvm.compiler", "bpfvm.emulator")),
        ("from bpfvm import bpf, pkt, Array, u64", HEAVY),
        ("import examples.proto as p; p.proto.emulate(bytes(64)); p.proto.cpython(bytes(64))", HEAVY),
        (COMMAND.format(HELP), (*SELDOM, "llvmlite", "bpfvm.emulator")),
        (
            COMMAND.format(RUN),
            (*SELDOM, *OF_FEW, "shutil", "bpfvm.cli.steps", "bpfvm.cli.process", "bpfvm.obj.captures.pcapng_write"),
        ),
    ],
)
def test_heavy_modules_are_not_loaded_before_they_are_needed(code: str, absent: tuple[str, ...]) -> None:
    script = f"import sys\n{code}\nprint('loaded:', [name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "loaded: []" in done.stdout, done.stdout + done.stderr


def test_a_run_loads_what_its_program_calls_and_its_object_declares() -> None:
    """Of the modules of helpers and of map types: acl_trie.o looks up in tries. The module of that helper has tail
    calls too, and so program arrays, whose indexes are those of arrays."""
    script = (
        f"import sys\n{COMMAND.format(RUN)}\nof = ('bpfvm.emulator.helpers.', 'bpfvm.emulator.maps.')\n"
        "print(*sorted(one for one in sys.modules if one.startswith(of)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    loaded = done.stdout.splitlines()[-1].split()
    shared = {"helpers.missing", "maps.declaration", "maps.fields", "maps.operations", "maps.slab", "maps.store"}
    used = {"helpers.maps", "maps.array", "maps.prog_array", "maps.trie"}
    assert {one.removeprefix("bpfvm.emulator.") for one in loaded} == shared | used, done.stderr


@pytest.mark.parametrize(
    ("module", "blocked"),
    [
        ("bpfvm.emulator", "bpfvm.compiler"),
        ("bpfvm.emulator", "bpfvm.kernel"),
        ("bpfvm.compiler", "bpfvm.emulator"),
        ("bpfvm.compiler", "bpfvm.kernel"),
        ("bpfvm.kernel", "bpfvm.emulator"),
        ("bpfvm.kernel", "bpfvm.compiler"),
    ],
)
def test_siblings_stand_alone(module: str, blocked: str) -> None:
    """The one module that asks LLVM is about what an extra brings, which is not installed everywhere."""
    script = (
        f"import sys, pkgutil, importlib\nsys.modules[{blocked!r}] = None\nimport {module} as package\n"
        "names = [one.name for one in pkgutil.walk_packages(package.__path__, package.__name__ + '.')]\n"
        "for name in names:\n"
        "    try: importlib.import_module(name)\n"
        "    except ModuleNotFoundError as error:\n        if error.name != 'llvmlite': raise\n"
        "print(len(names), 'modules')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) >= 3
