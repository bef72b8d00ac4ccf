"""Long tests of what is the same on every Python: code that is compiled or emitted, objects of others, planted errors.

With BPFVM_SHARED=skip they are left out, each with the reason. tox does so for all Pythons but the first.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase

REASON = "the same on every Python: run whole by tox -e py311"

TESTS = (
    "tests/contract/test_machines.py::test_machines_agree(data files-native)",
    "tests/contract/test_machines.py::test_machines_agree(objects-*)",
    "tests/contract/test_levels.py::*",
    "tests/contract/test_kinds.py::*",
    "tests/unit/cli/test_fuzz.py::*",
    "tests/unit/compiler/test_codegen.py::*",
    "tests/unit/compiler/test_miscompiles.py::*",
    "tests/unit/compiler/test_regalloc.py::test_planted_errors_are_found",
    "tests/unit/emulator/test_large.py::*",
    "tests/unit/fuzz/test_compiler_plants.py::*",
    "tests/unit/fuzz/test_shrink.py::*",
    "tests/unit/isa/test_cfg.py::*",
    "tests/unit/isa/test_flow.py::*",
    "tests/unit/obj/writer/test_oracles.py::*",
    "tests/unit/test_corpus.py::*",
    "tests/unit/verifier/test_narrow.py::*",
)


def skipped(test: str) -> bool:
    """Whether a test is left out here. test: file::test[parameters]."""
    if os.environ.get("BPFVM_SHARED") != "skip":
        return False
    plain = test.replace("[", "(").replace("]", ")")  # brackets mean something in patterns
    return any(fnmatchcase(plain, one) for one in TESTS)
