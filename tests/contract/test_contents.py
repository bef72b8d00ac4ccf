"""Contents of maps go in and come out alike on every emulator."""

from __future__ import annotations

import pytest

from tests.contract.contents import found_in_every_form, given_back
from tests.engines import EMULATORS


@pytest.mark.parametrize("engine", EMULATORS)
def test_outcomes_are_given_back(engine: str) -> None:
    given_back(engine)


@pytest.mark.parametrize("engine", EMULATORS)
def test_keys_of_every_form(engine: str) -> None:
    found_in_every_form(engine)
