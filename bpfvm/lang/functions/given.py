"""The source text of functions whose interpreter keeps none: given by the user, or typed at a prompt before."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

_MARK = "__bpf_source__"
_PROMPT, _COMMAND = "<stdin>", "<string>"
_MOST_LINES = 200  # of one function that was typed


def give(function: types.FunctionType, text: str) -> None:
    """Note the text of `function`, which stays as it is. Whether it is the function's is proved when it is compiled."""
    setattr(function, _MARK, text)


def given(function: types.FunctionType) -> str | None:
    """The text that was given for a function."""
    text = getattr(function, _MARK, None)
    return text if isinstance(text, str) else None


def typed(code: types.CodeType) -> Iterator[str]:
    """Texts that may be the function's: that of `python -c`, or what was typed at the prompt, the last first.

    Pythons before 3.13 keep no text of what is typed, but readline does, line by line without the empty ones.
    """
    if code.co_filename == _COMMAND:
        yield from _of_the_command_line()
    readline = sys.modules.get("readline")
    if code.co_filename != _PROMPT or not hasattr(sys, "ps1") or readline is None:
        return
    length = readline.get_current_history_length()
    lines = [readline.get_history_item(number) or "" for number in range(1, length + 1)]
    for start in range(len(lines) - 1, -1, -1):
        if lines[start].startswith(("def ", "@")) or "lambda" in lines[start]:
            end = _end(lines, start)
            yield "\n".join(lines[start:end]) + "\n"


def _of_the_command_line() -> Iterator[str]:
    for option, text in zip(sys.orig_argv, sys.orig_argv[1:], strict=False):
        if option.startswith("-") and not option.startswith("--") and option.endswith("c"):
            yield text


def _end(lines: list[str], start: int) -> int:
    """Behind the last line of a statement: those that are indented, the `def` behind decorators, closing brackets."""
    end = start + 1
    while end < min(len(lines), start + _MOST_LINES):
        behind_decorator = lines[end - 1].startswith("@") and lines[end].startswith(("@", "def "))
        if not (lines[end].startswith((" ", "\t", ")", "]", "}")) or behind_decorator):
            break
        end += 1
    return end
