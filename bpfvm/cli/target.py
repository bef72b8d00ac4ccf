"""TARGET: what a command works on: an ELF object, a Python file, or one function of a Python file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import FunctionType, ModuleType

from bpfvm.core.errors import BpfvmError, LoadError, UsageError, alike
from bpfvm.program import Program, load

MODULE_NAME = "bpfvm_target"  # not "__main__": a user half under `if __name__ == "__main__":` stays out


def programs(target: str, arguments: Sequence[str] = ()) -> list[Program]:
    """The programs that TARGET names, in the file's order. LoadError where the file cannot be read.

    arguments: what follows `--` on the command line; a Python file sees them in sys.argv.
    """
    path, function = split(target)
    if path.endswith(".py"):
        sys.path.insert(0, str(Path(path).resolve().parent))
        sys.argv = [path, *arguments]
        module = imported(Path(path), MODULE_NAME)
        found = _of_module(module)
        if isinstance(getattr(module, function, None), FunctionType):
            raise UsageError(f"{path}: {function} is a plain function: decorate it, with @bpf.xdp for example")
        if not found:
            raise LoadError(f"{path}: no program here: decorate a function, with @bpf.xdp for example")
        return [_named(found, function, path)] if function else found
    read = load(path)
    found = list(read.programs.values())
    if not found:
        raise LoadError(": ".join([path, "the object holds no program", *read.spec.skipped[:1]]))
    return found


def split(target: str) -> tuple[str, str]:
    """The path, and the function that follows the path of a Python file after a colon, or ""."""
    path, _, function = target.rpartition(":")
    return (path, function) if path.endswith(".py") else (target, "")


def one(target: str, name: str | None, arguments: Sequence[str] = ()) -> Program:
    """The one program that TARGET and --program select. UsageError when that is not exactly one."""
    found = programs(target, arguments)
    if name is not None:
        return _named(found, name, target)
    if len(found) > 1:
        raise UsageError(f"{target} holds {len(found)} programs: choose one of {_names(found)} by --program")
    return found[0]


def _named(found: list[Program], name: str, target: str) -> Program:
    """By function name, else by section name."""
    for matches in (
        [program for program in found if program.name == name],
        [program for program in found if _section(program) == name],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise UsageError(f"{target}: section {name} holds {len(matches)} programs: choose one of {_names(matches)}")
    near = alike(name, [program.name for program in found])
    meant = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"{target} has no program {name!r}; {meant}it has {_names(found)}")


def _section(program: Program) -> str:
    if program.hook is not None:
        return program.hook.section
    return program.object.programs[program.name].section


def _names(found: list[Program]) -> str:
    return ", ".join(program.name for program in found)


def imported(path: Path, name: str) -> ModuleType:
    """A Python file of the user's, run as the module of this name. LoadError: which of its lines failed, and why."""
    if not path.is_file():
        raise LoadError(f"{path}: {'a folder, not a Python file' if path.is_dir() else 'no such file'}")
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise LoadError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with redirect_stdout(sys.stderr):  # standard output is the command's own
            spec.loader.exec_module(module)
    except UsageError as error:  # of a declaration, which does not know its line
        raise UsageError(f"{failed_at(path, error)}: {error}") from None
    except (BpfvmError, KeyboardInterrupt):
        raise
    except SystemExit as error:
        raise LoadError(f"{path}: importing it ended the process (exit status {error.code})") from None
    except BaseException as error:
        raise LoadError(f"{failed_at(path, error)}: importing it failed: {type(error).__name__}: {error}") from None
    return module


def failed_at(path: Path, error: BaseException) -> str:
    """Where in the user's file an import failed."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}:{error.lineno}"
    line, at = 0, error.__traceback__
    while at is not None:
        if Path(at.tb_frame.f_code.co_filename) == path.resolve():
            line = at.tb_lineno
        at = at.tb_next
    return f"{path}:{line}" if line else str(path)


def _of_module(module: ModuleType) -> list[Program]:
    return list(dict.fromkeys(value for value in vars(module).values() if isinstance(value, Program)))
