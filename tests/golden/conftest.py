"""The `--update` option of the golden tests."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update",
        action="store_true",
        help="rewrite the golden outputs; the inputs with their blame lines (#~) are never changed",
    )


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether outputs are to be rewritten. The option exists only where this folder was named on the command line."""
    return bool(request.config.getoption("--update", default=False))
