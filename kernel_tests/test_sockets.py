"""This kernel's verifier takes reads of all fields of the sockets that contexts point to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bpfvm import Program
from bpfvm.kernel.load import load_object
from tests.contract.test_sockets import KINDS, reader
from tests.unit.compiler import test_sockmaps


@pytest.mark.parametrize("program", [test_sockmaps.verdict, test_sockmaps.message, test_sockmaps.chosen])
def test_programs_on_maps_of_sockets_load(program: Program) -> None:
    bare = {name: replace(one, entries=()) for name, one in program.object.maps.items()}  # there are no such sockets
    load_object(replace(program.object, maps=bare), program.name, {}).close()


@pytest.mark.parametrize("kind", KINDS)
def test_fields_of_a_socket_load(kind: str) -> None:
    program = reader(kind, KINDS[kind])
    load_object(program.object, program.name, {}).close()
