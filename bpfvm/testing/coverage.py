"""Coverage of eBPF sources for coverage.py: the data file, and the plugin that lets its reports read C files.

`bpfvm run prog.o --packet capture.pcap --coverage .coverage` writes two files: coverage.py's own data, and beside it
`bpfvm-coverage.json`, which says what lines could have been executed. One line of configuration lets reports use it:

    [run]
    plugins = bpfvm.testing.coverage
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.run.coverage import FileCoverage

if TYPE_CHECKING:
    from coverage.plugin_support import Plugins

LINES = "bpfvm-coverage.json"
PLUGIN = "bpfvm.testing.coverage.Sources"  # how coverage.py names a plugin: its module and its class


def write(path: str, files: Mapping[str, FileCoverage], texts: Mapping[tuple[str, int], str]) -> None:
    """Add `files` to the data file at `path`, made where there is none, and what could be executed beside it.

    texts: (file, line) -> source text, for files that are not there. Unavailable without coverage.py.
    """
    try:
        from coverage import CoverageData
        from coverage.exceptions import CoverageException
    except ImportError:
        raise Unavailable("writing coverage.py's data takes the package coverage: pip install 'bpfvm[test]'") from None
    try:
        data = CoverageData(basename=path)
        data.read()
        data.add_arcs({name: one.followed for name, one in files.items()})
        data.add_file_tracers(dict.fromkeys(files, PLUGIN))
        data.write()
    except (CoverageException, sqlite3.Error) as error:
        raise UsageError(f"{path}: not a data file of coverage.py that can be added to: {error}") from None
    place = Path(path).with_name(LINES)
    known = _read(place)
    for name, one in files.items():
        old = known.setdefault(name, {"lines": [], "arcs": [], "text": {}})
        old["lines"] = sorted({*old["lines"], *one.lines})
        old["arcs"] = sorted({*map(tuple, old["arcs"]), *one.arcs})
        if not Path(name).is_file():
            own = {str(line): text for (file, line), text in texts.items() if file == name}
            old["text"] = {**old["text"], **own}
    place.write_text(json.dumps(known), encoding="utf-8")


def _read(place: Path) -> dict[str, dict[str, Any]]:
    """What was written before; nothing where there is no such file, or one that something else wrote."""
    try:
        known = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) and all(map(_is_file, known.values())) else {}


def _is_file(known: object) -> bool:
    """Whether this is what is written of a file."""
    if not isinstance(known, dict) or not isinstance(known.get("text"), dict):
        return False
    lines, arcs = known.get("lines"), known.get("arcs")
    if not isinstance(lines, list) or not isinstance(arcs, list):
        return False
    pairs = all(isinstance(arc, list) and len(arc) == 2 for arc in arcs)
    return pairs and all(isinstance(number, int) for number in (*lines, *(end for arc in arcs for end in arc)))


def coverage_init(registry: Plugins, options: Mapping[str, str]) -> None:
    """What coverage.py calls. Option `lines`: the path of bpfvm-coverage.json, when it is not in the working folder."""
    registry.add_file_tracer(Sources(Path(options.get("lines", LINES))))


def _classes() -> tuple[type, type]:
    try:
        from coverage import CoveragePlugin, FileReporter
    except ImportError:
        return object, object
    return CoveragePlugin, FileReporter


_Plugin, _Reporter = _classes()


class Sources(_Plugin):  # type: ignore[misc, valid-type]
    """The plugin: reports of files that programs were compiled from."""

    def __init__(self, lines: Path) -> None:
        self._lines = lines

    def file_reporter(self, filename: str) -> Source:
        """Part of coverage.CoveragePlugin."""
        return Source(filename, _read(self._lines).get(filename, {}))

    def find_executable_files(self, src_dir: str) -> Iterable[str]:
        """Part of coverage.CoveragePlugin: nothing is found but what a run has said."""
        return ()


class Source(_Reporter):  # type: ignore[misc, valid-type]
    """One source file as reports see it."""

    def __init__(self, filename: str, known: Mapping[str, Any]) -> None:
        super().__init__(filename)
        self._known = known

    def lines(self) -> set[int]:
        """Part of coverage.FileReporter: the executable lines."""
        return set(self._known.get("lines", ()))

    def arcs(self) -> set[tuple[int, int]]:
        """Part of coverage.FileReporter: pairs of lines that may follow one another."""
        return {(before, after) for before, after in self._known.get("arcs", ())}

    def exit_counts(self) -> dict[int, int]:
        """Part of coverage.FileReporter: how many ways lead out of each line."""
        counts: dict[int, int] = {}
        for before, _ in self.arcs():
            if before > 0:
                counts[before] = counts.get(before, 0) + 1
        return counts

    def source(self) -> str:
        """Part of coverage.FileReporter: the file, or the lines of it that the object holds."""
        path = Path(self.filename)
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
        text = {int(line): one for line, one in self._known.get("text", {}).items()}
        return "\n".join(text.get(line, "") for line in range(1, max(text, default=0) + 1))
