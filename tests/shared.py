"""Long tests of what is the same on every Python: code that is compiled or emitted, objects of others, planted errors,
walks of the verifier model, all opcodes and registers.

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
    "tests/unit/emulator/helpers/test_any_call.py::test_a_call_ends_or_is_a_fault(native)",
    "tests/unit/emulator/native/test_folding.py::*",
    "tests/unit/emulator/native/test_modes.py::*",
    "tests/unit/emulator/test_large.py::*",
    "tests/unit/fuzz/test_compiler_plants.py::*",
    "tests/unit/fuzz/test_hook_plants.py::*",
    "tests/unit/fuzz/test_shrink.py::*",
    "tests/unit/fuzz/test_unverified.py::*",
    "tests/unit/isa/test_cfg.py::*",
    "tests/unit/isa/test_data_files.py::test_every_choice_of_registers",
    "tests/unit/isa/test_encoding.py::test_one_wrong_bit_of_any_opcode_is_found(*)",
    "tests/unit/isa/test_flow.py::*",
    "tests/unit/isa/test_opcodes.py::test_fields_of_every_opcode_byte_decode_or_are_refused(*)",
    "tests/unit/obj/writer/test_oracles.py::*",
    "tests/unit/test_corpus.py::*",
    "tests/unit/verifier/test_limits.py::*",
    "tests/unit/verifier/test_long.py::test_it_ends_and_tells_its_progress",
    "tests/unit/verifier/test_narrow.py::*",
    "tests/unit/verifier/test_scalar.py::*",
)


def skipped(test: str) -> bool:
    """Whether a test is left out here. test: file::test[parameters]."""
    if os.environ.get("BPFVM_SHARED") != "skip":
        return False
    plain = test.replace("[", "(").replace("]", ")")  # brackets mean something in patterns
    return any(fnmatchcase(plain, one) for one in TESTS)
