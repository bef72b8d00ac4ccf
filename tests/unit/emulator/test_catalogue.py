"""Tables of a package's modules as one: every name stands where it is said to, and nothing else is loaded for it."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

from bpfvm.emulator import helpers, kfuncs, maps
from bpfvm.emulator.catalogue import Catalogue
from bpfvm.tables.helpers import HELPERS

CATALOGUES = {"helpers": helpers.IMPLEMENTED, "kfuncs": kfuncs.IMPLEMENTED, "maps": maps.TYPES}


@pytest.fixture(params=CATALOGUES)
def catalogue(request: pytest.FixtureRequest) -> Catalogue[Any]:
    found = CATALOGUES[request.param]
    assert isinstance(found, Catalogue)
    return found


def test_it_lists_what_each_module_holds(catalogue: Catalogue[Any]) -> None:
    package = import_module(catalogue.package)
    modules = {
        one.name: import_module(f"{catalogue.package}.{one.name}") for one in pkgutil.iter_modules(package.__path__)
    }
    held = {name: sorted(vars(one)[catalogue.table]) for name, one in modules.items() if catalogue.table in vars(one)}
    assert held == {name: sorted(listed) for name, listed in catalogue.modules.items()}
    assert list(held) == list(catalogue.modules), "by name"
    assert len(catalogue) == sum(map(len, held.values())), "no name stands twice"


def test_it_gives_what_the_module_has_under_the_name(catalogue: Catalogue[Any]) -> None:
    for module, listed in catalogue.modules.items():
        table = vars(import_module(f"{catalogue.package}.{module}"))[catalogue.table]
        for name in listed:
            assert name in catalogue
            assert catalogue[name] is table[name]
    assert set(catalogue) == {name for listed in catalogue.modules.values() for name in listed}
    assert "nothing" not in catalogue
    assert catalogue.get("nothing") is None


@pytest.mark.parametrize(
    ("package", "asked", "wanted"),
    [
        ("helpers", "IMPLEMENTED['ktime_get_ns']", "clock missing"),
        ("helpers", "table('xdp')[5]", "clock missing"),
        ("helpers", "len(table('xdp')), list(table('xdp')), 5 in table('xdp'), 'loop' in IMPLEMENTED", "missing"),
        ("kfuncs", "IMPLEMENTED['bpf_rdonly_cast']", "plain"),
        ("maps", "TYPES['queue']", "declaration fields operations queue store"),
        ("maps", "sorted(TYPES)", ""),
    ],
)
def test_only_the_module_that_is_asked_for_is_loaded(package: str, asked: str, wanted: str) -> None:
    script = (
        f"import sys, bpfvm.emulator.{package} as package\nfrom bpfvm.emulator.{package} import *\n{asked}\n"
        "name = f'{package.__name__}.'\n"
        "print(*sorted(one.removeprefix(name) for one in sys.modules if one.startswith(name)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == f"{wanted}\n", done.stdout + done.stderr


def test_a_table_of_helpers_has_every_number_and_keeps_what_it_made() -> None:
    table = helpers.table("xdp")
    assert set(table) == {row.id for row in HELPERS}
    assert len(table) == len(HELPERS)
    assert all(table[number] is table[number] for number in table)
    assert helpers.table("xdp") is table
    assert table.get(1 << 20) is None
    assert 1 << 20 not in table
