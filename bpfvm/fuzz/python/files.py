"""Files that hold one case: a module as it was generated or shrunk, with the inputs that it runs on.

    '''value: cpython 3, interp 4 (v3, input 1)'''
    from bpfvm import bpf, u8, ...

    @bpf.function
    def f(a: u8) -> u8: ...

    INPUTS = ((1,), (2,))

It is plain Python: it can be imported, its program checked by hand, and `bpfvm fuzz --replay FILE` runs it on engines
for all levels of instructions.
"""

from __future__ import annotations

import ast
from pathlib import Path

from bpfvm.core.errors import LoadError
from bpfvm.fuzz.python.case import Case, Given, namespace
from bpfvm.fuzz.python.run import Difference

NAME = "INPUTS"


def write(folder: Path, found: Difference) -> Path:
    """A file for the difference in `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found.kind}-{found.case.name.replace(':', '-')}.py"
    path.write_text(text(found), encoding="utf-8")
    return path


def text(found: Difference) -> str:
    """The file's text: what differed, the module, the inputs up to the one that differed."""
    where = f", input {found.input}" if found.input is not None else ""
    plain = "" if found.recorded else ", plain"
    told = f"{found.kind}: {'; '.join(found.lines)} ({found.level}{plain}{where})"
    inputs = found.case.inputs if found.input is None else found.case.inputs[: found.input + 1]
    return f"{ast.unparse(ast.Expr(ast.Constant(told)))}\n{found.case.text}\n{NAME} = {inputs!r}\n"


def read(path: Path) -> Case:
    """The case of a file. LoadError says what is wrong with it."""
    try:
        case = Case(path.stem, path.read_text(encoding="utf-8"), ())
    except OSError as error:
        raise LoadError(f"{path}: a case cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise LoadError(f"{path}: this is no text: {error}") from None
    inputs = namespace(case).get(NAME)
    if not isinstance(inputs, tuple) or not all(isinstance(one, tuple) for one in inputs):
        raise LoadError(f"{path}: a case has {NAME}, a tuple of tuples of arguments")
    given: tuple[Given, ...] = inputs
    return Case(case.name, case.text, given)
