"""`bpfvm debug`: through a program's runs over captures, instruction by instruction, forwards and backwards."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from bpfvm.cli import FAULTED, target
from bpfvm.core.articles import an
from bpfvm.core.errors import BpfvmError, LoadError, UsageError
from bpfvm.core.machine import Input, Location
from bpfvm.emulator.caller import Value
from bpfvm.emulator.code import Code
from bpfvm.emulator.debugger import Change, Debugger, Place, Watch
from bpfvm.emulator.memory import Pointer
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.model import ProgramSpec
from bpfvm.obj.values.contents import decode_entries, encode_entries, from_json, to_json
from bpfvm.program import Program
from bpfvm.run.listing import Row, rows
from bpfvm.run.session import Session

MOST = 1 << 20  # packets that are kept for going back
HELP = """break FILE:LINE or INSN   stop before the code of a source line, or before an instruction
watch MAP[KEY]            stop behind the instruction that changes a map's element; KEY is JSON or hex
run                       go on from the beginning of this packet; continue: from here; both through later packets
packet N                  to the beginning of packet N, all before it run
step [N], back [N]        N instructions on, or back; next: to the next source line
regs, map NAME, mem ADDR LEN, where, list
delete [N]                forget breakpoint or watch N, or all; info: show them
quit"""

_WATCH = re.compile(r"([^\[\]]+)\[(.*)\]")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: bpfvm debug prog.o --packet capture.pcap -x commands.txt. Commands:\n\n\b\n" + HELP,
)
@click.argument("target_name", metavar="TARGET")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS]")
@click.option("--packet", "captures", multiple=True, required=True, metavar="FILE", help="A capture; repeatable.")
@click.option("--program", metavar="NAME", help="Which program, by function or section name.")
@click.option("--at", default=1, show_default=True, type=click.IntRange(min=1), metavar="N", help="Begin at packet N.")
@click.option("-x", "script", metavar="FILE", help="Run the commands of FILE, one a line, then end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout: each command and its lines.")
def command(
    target_name: str, arguments: tuple[str, ...], captures: tuple[str, ...], program: str | None, at: int,
    script: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Debug TARGET on the packets of captures."""
    chosen = target.one(target_name, program, arguments)
    if chosen.type.layer is None:
        raise UsageError(f"{chosen.name} is {an(chosen.type.name)} program: it takes no packets")
    lines = _script(script) if script is not None else None
    with chosen.session("interp") as session:
        prompt = Prompt(chosen, session, _inputs(captures, chosen.type.layer or "eth"))
        said: list[dict[str, Any]] = []
        shown = prompt.do(f"packet {at}")
        failed = False
        _show(shown, as_json)
        for line in lines if lines is not None else _typed():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            if line.split()[0] in ("quit", "q"):
                break
            try:
                shown = prompt.do(line)
            except BpfvmError as error:
                shown, failed = [f"error: {error}"], True
            said.append({"command": line.strip(), "lines": shown})
            if lines is not None and not as_json:
                click.echo(f"(bpfvm) {line.strip()}")
            _show(shown, as_json)
        if as_json:
            click.echo(json.dumps(said))
    return FAULTED if failed and lines is not None else 0


def _show(lines: list[str], as_json: bool) -> None:
    for line in lines if not as_json else ():
        click.echo(line)


def _script(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise LoadError(f"{path}: not a text of commands") from None


def _typed() -> Iterator[str]:
    """Commands from the terminal; an empty line repeats the last one."""
    last = ""
    while True:
        if sys.stdin.isatty():
            click.echo("(bpfvm) ", nl=False)
        line = sys.stdin.readline()
        if not line:
            return
        last = line.strip() or last
        yield last


def _inputs(captures: tuple[str, ...], layer: str) -> list[Input]:
    """The packets as `bpfvm run` numbers them; one that the program does not see is there without bytes."""
    inputs: list[Input] = []
    for path in captures:
        with open_capture(path) as capture:
            for stamp, frame, _, _ in capture.frames(layer):
                if len(inputs) == MOST:
                    raise UsageError(f"{path}: more than {MOST} packets are not gone through; cut the capture")
                if isinstance(frame, str):
                    click.echo(f"bpfvm: packet {len(inputs) + 1} is not seen by the program: {frame}", err=True)
                inputs.append(Input(packet=b"" if isinstance(frame, str) else bytes(frame), clock=max(stamp, 0)))
            for line in (*capture.lost.lines, *capture.notes):
                click.echo(f"bpfvm: {path}: {line}", err=True)
    return inputs


class Prompt:
    """The commands, each a method that gives the lines to show."""

    def __init__(self, program: Program, session: Session, inputs: list[Input]) -> None:
        self._program, self._session = program, session
        self._debugger = Debugger(session.machine, inputs)
        self._rows: dict[str, dict[int, Row]] = {}
        self._next = 1
        self._named: dict[int, str] = {}
        self._commands: Mapping[str, Callable[[str], list[str]]] = {
            "break": self._break, "watch": self._watch, "run": self._run, "continue": self._continue,
            "packet": self._packet, "step": self._step, "back": self._back, "next": self._to_next_line,
            "regs": self._regs, "map": self._map, "mem": self._mem, "where": self._where, "list": self._list,
            "delete": self._delete, "info": self._info, "help": lambda rest: HELP.splitlines(),
        }  # fmt: skip

    def do(self, line: str) -> list[str]:
        """Run one command. UsageError for one that does not exist or is not meant so."""
        name, _, rest = line.strip().partition(" ")
        found = [one for one in self._commands if one == name] or [
            one for one in self._commands if one.startswith(name)
        ]
        if len(found) != 1:
            what = f"could be {' or '.join(found)}" if found else f"is none of {', '.join(self._commands)}, quit"
            raise UsageError(f"command {name!r} {what}")
        return self._commands[found[0]](rest.strip())

    def _break(self, rest: str) -> list[str]:
        file, colon, line = rest.rpartition(":")
        text = line if colon else rest
        if not text.isdecimal():
            raise UsageError(f"break {rest}: write FILE:LINE, or the number of an instruction")
        if not colon:
            slot = int(text)
            if slot not in self._table(self._session.program):
                raise UsageError(f"there is no instruction {slot} in {self._session.program.name}")
            return self._add(f"breakpoint at instruction {slot}", lambda code, at: at == slot)
        places = self._places(file, int(text))
        if not places:
            raise UsageError(f"no code stands for {rest}; {self._nearest(file, int(text))}")
        return self._add(f"breakpoint at {rest}", lambda code, at: (code.program.name, at) in places)

    def _places(self, file: str, line: int) -> set[tuple[str, int]]:
        return {
            (program.name, slot)
            for program in self._session.spec.programs.values()
            for slot, place in program.lines.items()
            if place.line == line and _is_file(place, file)
        }

    def _nearest(self, file: str, line: int) -> str:
        places = {p for one in self._session.spec.programs.values() for p in one.lines.values()}
        known = {place.line for place in places if _is_file(place, file)}
        if not known:
            files = sorted({Path(place.file).name for place in places}) or ["no file"]
            return f"there is line information for {', '.join(files)}"
        later = [one for one in known if one > line]
        return f"the next line with code is {min(later)}" if later else f"the last line with code is {max(known)}"

    def _add(self, what: str, test: Callable[[Code, int], bool]) -> list[str]:
        self._debugger.breakpoints[self._next] = test
        return self._number(what)

    def _number(self, what: str) -> list[str]:
        self._named[self._next] = what
        self._next += 1
        return [f"{self._next - 1}: {what}"]

    def _watch(self, rest: str) -> list[str]:
        found = _WATCH.fullmatch(rest)
        if not found:
            raise UsageError(f"watch {rest}: write MAP[KEY]")
        self._debugger.watches[self._next] = Watch(found[1], self._key(found[1], found[2]))
        return self._number(f"watch of {rest}")

    def _key(self, name: str, text: str) -> bytes:
        """A key as the user writes it: JSON by the map's key type, else hex."""
        if name not in self._session.spec.maps:
            known = ", ".join(self._session.spec.maps) or "none"
            raise UsageError(f"there is no map {name!r}; the maps are {known}")
        spec = self._session.spec.maps[name]
        try:
            key = json.loads(text)
        except ValueError:
            key = text
        value: Any = "00" * spec.value_size
        entries = from_json([{"key": key, "value": value}])
        plain = type(spec)(spec.name, "array" if spec.type == "array" else "hash", spec.key_size, spec.value_size,
                           spec.max_entries, key_type=spec.key_type)  # fmt: skip
        (found, _), *_ = encode_entries(plain, self._session.spec.btf, entries, self._session.spec.endian)
        return found

    def _run(self, rest: str) -> list[str]:
        self._debugger.go_to(self._debugger.place.packet)
        return self._continue(rest)

    def _continue(self, rest: str) -> list[str]:
        return self._stand(self._debugger.proceed())

    def _packet(self, rest: str) -> list[str]:
        return self._stand(self._debugger.go_to(_count(rest, "packet")))

    def _step(self, rest: str) -> list[str]:
        return self._stand(self._debugger.step(_count(rest or "1", "step")))

    def _back(self, rest: str) -> list[str]:
        return self._stand(self._debugger.back(_count(rest or "1", "back")))

    def _to_next_line(self, rest: str) -> list[str]:
        here = self._line(self._debugger.place)
        place = self._debugger.step()
        while place.slot is not None and self._line(place) in (None, here):
            place = self._debugger.step()
        return self._stand(place)

    def _line(self, place: Place) -> Location | None:
        return place.program.source_of(place.slot) if place.slot is not None else None

    def _stand(self, place: Place) -> list[str]:
        """Where the debugger stands now."""
        lines = []
        if place.change is not None:
            lines += self._changed(place.change)
        head = f"packet {place.packet} of {self._debugger.packets}"
        if place.fault is not None:
            return [*lines, f"{head}: {place.fault}"]
        if place.slot is None:
            value = (place.r0 or 0) & 0xFFFF_FFFF
            action = self._session.type.action(value)
            return [*lines, f"{head}: returned {action or value} after {place.executed} instructions"]
        row = self._table(place.program)[place.slot]
        source = f", {_short(row.source)}" if row.source is not None else ""
        lines.append(f"{head}, {place.executed} executed{source}")
        if row.line:
            lines.append(f"    {row.line.strip()}")
        return [*lines, _instruction(row)]

    def _changed(self, change: Change) -> list[str]:
        name = change.watch.map
        before, after = (self._element(name, change.watch.key, one) for one in (change.before, change.after))
        place = change.program.source_of(change.slot)
        where = f" ({_short(place)})" if place is not None else ""
        return [f"{name}{before[0]}: {before[1]} -> {after[1]}, by instruction {change.slot}{where}"]

    def _element(self, name: str, key: bytes, value: bytes | None) -> tuple[str, str]:
        spec = self._session.spec.maps[name]
        shown = decode_entries(
            spec, self._session.spec.btf, [(key, value or bytes(spec.value_size))], self._session.spec.endian
        )
        ((typed, content),) = shown.items()
        return f"[{json.dumps(to_json(typed))}]", json.dumps(to_json(content)) if value is not None else "nothing"

    def _table(self, program: ProgramSpec) -> dict[int, Row]:
        if program.name not in self._rows:
            self._rows[program.name] = {row.slot: row for row in rows(program, self._session.spec)}
        return self._rows[program.name]

    def _regs(self, rest: str) -> list[str]:
        return [f"r{number:<2} = {_value(value)}" for number, value in enumerate(self._debugger.registers)]

    def _map(self, rest: str) -> list[str]:
        contents = self._session.maps()
        if rest not in contents:
            raise UsageError(f"map {rest}: the program's maps are {', '.join(contents) or 'none'}")
        entries = contents[rest].items()
        if self._session.spec.maps[rest].type == "array":
            entries = {key: value for key, value in entries if _matters(value)}.items()
        lines = [f"{json.dumps(to_json(key))}: {json.dumps(to_json(value))}" for key, value in entries]
        return lines or ["nothing but zeros" if self._session.spec.maps[rest].type == "array" else "empty"]

    def _mem(self, rest: str) -> list[str]:
        words = rest.split()
        if len(words) != 2:
            raise UsageError(f"mem {rest}: write mem ADDR LEN; ADDR is a number or a register, as in mem r2+12 16")
        address, size = self._place(words[0]), _count(words[1], "mem")
        data = self._debugger.memory(address, size)
        return [f"{address + at:#x}: {data[at : at + 16].hex(' ')}" for at in range(0, size, 16)]

    def _place(self, text: str) -> int:
        """An address: a number, or a register and a distance."""
        found = re.fullmatch(r"r(\d|10)(?:([+-])(\w+))?", text)
        try:
            if not found:
                return int(text, 0)
            value = self._debugger.registers[int(found[1])]
            if value is None:
                raise UsageError(f"r{found[1]} was never written")
            base = value.address if isinstance(value, Pointer) else value
            return base + (int(found[3], 0) * (-1 if found[2] == "-" else 1) if found[3] else 0)
        except ValueError:
            raise UsageError(f"{text} is no address: write a number, or a register as in r2+12") from None

    def _where(self, rest: str) -> list[str]:
        lines = self._stand(self._debugger.place)
        for program, slot in self._debugger.depth:
            place = program.source_of(max(slot - 1, 0))
            lines.append(f"called from {program.name}, instruction {slot - 1}{f', {_short(place)}' if place else ''}")
        return lines

    def _list(self, rest: str) -> list[str]:
        """The instructions around the place."""
        place = self._debugger.place
        table = self._table(place.program)
        here = place.slot if place.slot is not None else max(table)
        near = [slot for slot in table if here - 8 <= slot <= here + 8]
        return [("=> " if slot == place.slot else "   ") + _instruction(table[slot]) for slot in near]

    def _delete(self, rest: str) -> list[str]:
        numbers = [_count(rest, "delete")] if rest else list(self._named)
        for number in numbers:
            if number not in self._named:
                raise UsageError(f"there is no breakpoint or watch {number}")
            del self._named[number]
            self._debugger.breakpoints.pop(number, None)
            self._debugger.watches.pop(number, None)
        return []

    def _info(self, rest: str) -> list[str]:
        return [f"{number}: {what}" for number, what in self._named.items()] or ["no breakpoints, no watches"]


def _is_file(place: Location, file: str) -> bool:
    return place.file == file or Path(place.file).name == Path(file).name


def _short(place: Location) -> str:
    return f"{Path(place.file).name}:{place.line}"


def _instruction(row: Row) -> str:
    return f"{row.slot}: {row.text}{f'  ; {row.note}' if row.note else ''}"


def _value(value: Value) -> str:
    """A register's value: a number, or what it points to."""
    if value is None:
        return "never written"
    if isinstance(value, Pointer):
        sign = "+" if value.offset >= 0 else ""
        return f"{value.address:#x}  {value.region.name}{sign}{value.offset}"
    return f"{value:#x}" + (f"  {value}" if value > 9 else "")


def _count(text: str, what: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        raise UsageError(f"{what} {text}: not a number") from None
    if number < 1:
        raise UsageError(f"{what} {text}: a number from 1 on is wanted")
    return number


def _matters(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_matters, value.values()))
    if isinstance(value, list):
        return any(map(_matters, value))
    return bool(value.strip("0") if isinstance(value, str) else value)
