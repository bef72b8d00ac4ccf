"""What the modules of a package hold by name: a module is loaded when something of it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TypeVar

T = TypeVar("T")


class Catalogue(Mapping[str, T]):
    """The tables of a package's modules as one table.

    package: its name. table: the name that each module has for its own. names: what stands in each, by module,
    separated by blanks.
    """

    def __init__(self, package: str, table: str, names: Mapping[str, str]) -> None:
        self.package, self.table = package, table
        self.modules = {module: listed.split() for module, listed in names.items()}
        self._homes = {name: module for module, listed in self.modules.items() for name in listed}

    def __getitem__(self, name: str) -> T:
        found: Mapping[str, T] = getattr(import_module(f"{self.package}.{self._homes[name]}"), self.table)
        return found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._homes

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)
