"""How an object says what a program takes the words of its context for: a function of its BTF beside the program's, of
the context and the arguments, which the program's name tells. So do bpf_tracing.h's BPF_PROG and BPF_KPROBE in C.

    issue(ctx), ____issue(ctx, struct request *rq)
"""

from __future__ import annotations

import re

DECLARED = "____"  # before the program's name
FILLER = re.compile(r"arg\d+")  # the name of an argument that the program does not take
RETURN = "ret"  # that of what the function returns

__all__ = ["DECLARED", "FILLER", "RETURN"]
