"""Contents of maps go in and come out of the kernel as of the emulators."""

from __future__ import annotations

from tests.contract.contents import found_in_every_form, given_back


def test_outcomes_are_given_back() -> None:
    given_back("kernel")


def test_keys_of_every_form() -> None:
    found_in_every_form("kernel")
