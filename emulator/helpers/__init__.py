"""Helper functions, by the names of their rows in bpfvm.tables.helpers; a module a theme."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from bpfvm.emulator.answers import Answer, answer
from bpfvm.emulator.arguments import Function, Helper, bind
from bpfvm.emulator.helpers import (
    checksums,
    clock,
    control,
    cookies,
    dynptrs,
    functions,
    locks,
    maps,
    memory,
    numbers,
    redirects,
    rings,
    skb,
    skb_facts,
    skb_room,
    sockets,
    stacks,
    storages,
    tasks,
    text,
    timers,
    tunnels,
    xdp,
)
from bpfvm.emulator.helpers.missing import forbidden, missing
from bpfvm.tables.helpers import BY_NAME as ROWS

IMPLEMENTED: Mapping[str, Function] = {
    **maps.HELPERS,
    **xdp.HELPERS,
    **skb_room.HELPERS,
    **skb_facts.HELPERS,
    **skb.HELPERS,
    **checksums.HELPERS,
    **clock.HELPERS,
    **control.HELPERS,
    **cookies.HELPERS,
    **dynptrs.HELPERS,
    **functions.HELPERS,
    **locks.HELPERS,
    **memory.HELPERS,
    **numbers.HELPERS,
    **redirects.HELPERS,
    **rings.HELPERS,
    **sockets.HELPERS,
    **stacks.HELPERS,
    **storages.HELPERS,
    **tasks.HELPERS,
    **text.HELPERS,
    **timers.HELPERS,
    **tunnels.HELPERS,
}


def table(program_type: str, answers: Mapping[str, Answer] | None = None) -> Mapping[int, Helper]:
    """What programs of one type call, by number: every helper that there is, a fault for those that are not here.

    answers: Python functions in place of helpers, by name; other names are kernel functions.
    """
    given = {ROWS[name]: function for name, function in (answers or {}).items() if name in ROWS}
    if not given:
        return _own(program_type)
    return {**_own(program_type), **{row.id: answer(row, one, program_type) for row, one in given.items()}}


@functools.cache
def _own(program_type: str) -> Mapping[int, Helper]:
    return {row.id: _helper(name, program_type) for name, row in ROWS.items()}


def _helper(name: str, program_type: str) -> Helper:
    row = ROWS[name]
    refused = forbidden(row, program_type)
    if refused is not None:
        return refused
    return bind(row, IMPLEMENTED[name], program_type) if name in IMPLEMENTED else missing(row)
