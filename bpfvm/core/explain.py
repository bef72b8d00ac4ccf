"""What each diagnostic's code means: the texts of explanations.txt, and the page of the documents made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from bpfvm.core.codes import CODES

PRELUDE = "from bpfvm import *\n"  # what every example has before it

_HEAD = """\
# Errors and warnings

Made from `bpfvm/core/codes.py` and `bpfvm/core/explanations.txt`, which are where to change it; `pytest tests/golden
--update` writes this page. `bpfvm explain CODE` shows one of these on the command line.

E0xx: the function cannot be compiled. W1xx: it can, and is likely not what was meant. All errors of a function are
reported at once, each with its place, the reason and what to write instead. Before every example stands `from bpfvm
import *`.
"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code. wrong, right: examples, "" for what a few lines cannot show."""

    code: str
    title: str
    text: str
    wrong: str = ""
    right: str = ""


def explanations() -> dict[str, Explanation]:
    """Every code's, by code. explanations.txt holds, for each, `== CODE`, its text, `-- wrong`, `-- right`."""
    text = files("bpfvm.core").joinpath("explanations.txt").read_text(encoding="utf-8")
    found = {}
    parts = re.split(r"^== (\w+)\n", text, flags=re.MULTILINE)[1:]
    for code, rest in zip(parts[::2], parts[1::2], strict=True):
        words, _, examples = rest.partition("-- wrong\n")
        wrong, _, right = examples.partition("-- right\n")
        found[code] = Explanation(code, CODES[code].title, words.strip(), wrong.strip(), right.strip())
    return found


def page(said: Mapping[str, str]) -> str:
    """The text of docs/errors.md. said: by code, what the compiler says of the wrong example."""
    parts = [_HEAD]
    for one in explanations().values():
        parts.append(f"## {one.code}: {one.title}\n\n{one.text}\n")
        if one.wrong:
            parts.append(f"```python\n{one.wrong}\n```\n\n```text\n{said[one.code]}\n```\n\nInstead:\n")
            parts.append(f"```python\n{one.right}\n```\n")
    return "\n".join(parts)
