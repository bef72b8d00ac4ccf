"""Helper functions, by the names of their rows in bpfvm.tables.helpers; a module a theme."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from bpfvm.emulator.arguments import Function, Helper, bind
from bpfvm.emulator.helpers import maps
from bpfvm.tables.helpers import BY_NAME as ROWS

IMPLEMENTED: Mapping[str, Function] = {
    **maps.HELPERS,
}


@functools.cache
def table(program_type: str) -> Mapping[int, Helper]:
    """What programs of one type call, by number. A row without a function is not in it."""
    return {ROWS[name].id: bind(ROWS[name], function, program_type) for name, function in IMPLEMENTED.items()}
