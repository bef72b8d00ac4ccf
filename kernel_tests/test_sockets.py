"""This kernel's verifier takes reads of all fields of the sockets that contexts point to."""

from __future__ import annotations

import pytest

from bpfvm.kernel.load import load_object
from tests.contract.test_sockets import KINDS, reader


@pytest.mark.parametrize("kind", KINDS)
def test_fields_of_a_socket_load(kind: str) -> None:
    program = reader(kind, KINDS[kind])
    load_object(program.object, program.name, {}).close()
