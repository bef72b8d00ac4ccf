"""Objects that Debian ships, loaded whole by bpfvm alone, and by libbpf: verdicts, programs and maps are the same.

libbpf's verdict on an object as it is counts first. Where it refuses one, each of its programs is loaded alone by both,
and then those together that both take: tools of libbpf-tools choose so between programs for one purpose (fentry or
kprobe) before they load. Differences are explained in DIFFERENT, and a row of it that does not differ fails.
"""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, VerifierReject
from bpfvm.kernel.objects.install import install
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.tables.sections import of_section
from kernel_tests.debian import packages as debian
from kernel_tests.libbpf.driver import STACK_BYTES, UNSIZED
from kernel_tests.libbpf.handed import NAME, section_of
from kernel_tests.libbpf.whole import Facts, Whole, asked, map_facts, program_facts

NEEDED = ("dpkg-deb", "apt-get")
PACKAGES = ("libbpf-tools", "libxdp1")
WHOLE, PROGRAMS, MAPS, REFUSED = 45, 150, 200, 40  # least numbers

DIFFERENT: Mapping[str, str] = {}
"""Object or "object program" -> why the two loaders differ. Empty: they do not."""

pytestmark = [pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed") for tool in NEEDED]


@dataclass(frozen=True, slots=True)
class Case:
    """name: package and file. spec: with the sizes that tools give to maps. theirs: what libbpf does."""

    name: str
    spec: ObjectSpec
    theirs: Whole

    @property
    def autoloaded(self) -> tuple[str, ...]:
        return tuple(name for name, one in self.spec.programs.items() if of_section(one.section).auto)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    try:
        shipped = debian.objects()
    except debian.Unavailable as reason:
        pytest.skip(str(reason))
    theirs = asked([one.path for one in shipped])
    closed = [one.name for one in shipped if theirs[one.path].error]
    print(f"libbpf opens {len(shipped) - len(closed)} of {len(shipped)} objects, not {', '.join(closed)}")
    assert {name.partition("/")[0] for name in closed} <= {"ir-keytable"}  # maps in a section of an older kind
    return [Case(one.name, sized(one.path), theirs[one.path]) for one in shipped if one.name not in closed]


def sized(path: Path) -> ObjectSpec:
    """The object with a size for each map that has none, as its tool would give it."""
    spec = read_object(path)
    return replace(spec, maps={name: _sized(one) for name, one in spec.maps.items()})


def _sized(one: MapSpec) -> MapSpec:
    from bpfvm.tables.maps import BY_NAME

    number = BY_NAME[one.type].number
    if one.type == "stack_trace" and not one.value_size:
        one = replace(one, value_size=STACK_BYTES)
    return replace(one, max_entries=1) if number not in UNSIZED and not one.max_entries else one


def verdict(spec: ObjectSpec, names: Collection[str] | None = None) -> BpfvmError | None:
    """Our refusal of the object, or None."""
    try:
        with install(spec, names, pin=False):
            return None
    except BpfvmError as error:
        return error


def test_objects_load_whole_where_libbpf_loads_them(cases: list[Case]) -> None:
    verdicts, different = Counter[str](), dict[str, str]()
    for case in cases:
        ours = verdict(case.spec)
        verdicts[f"{'taken' if ours is None else 'refused'} by bpfvm"] += 1
        verdicts["taken by libbpf"] += not case.theirs.refused
        if (ours is None) != (case.theirs.refused == 0):
            different[case.name] = f"libbpf: errno {case.theirs.refused}; bpfvm: {ours}"
    taken = sum(not one.theirs.refused for one in cases if one.name.startswith(PACKAGES))
    print(f"{len(cases)} objects as they are: {dict(verdicts)}; {taken} of {', '.join(PACKAGES)} by both")
    assert set(different) == {name for name in DIFFERENT if " " not in name}, different
    assert taken >= WHOLE


def test_programs_are_refused_where_libbpf_does_not_load_them(cases: list[Case]) -> None:
    """Of objects that are refused as they are, each program alone; with the reasons of both."""
    reasons, compared, different = Counter[tuple[str, str]](), 0, dict[str, str]()
    for case in cases:
        assert set(case.theirs.alone) == (set(case.autoloaded) if case.theirs.refused else set()), case.name
        for name, number in case.theirs.alone.items():
            ours = verdict(case.spec, [name])
            compared += 1
            if (ours is None) != (number == 0):
                different[f"{case.name} {name}"] = f"libbpf: errno {number}; bpfvm: {ours}"
            elif ours is not None:
                reasons[_reason(ours), errno.errorcode.get(number, str(number))] += 1
    for (ours_said, theirs_said), count in sorted(reasons.items()):
        print(f"{count:4} programs: bpfvm {ours_said}; libbpf {theirs_said}")
    print(f"{compared} programs of {sum(one.theirs.refused != 0 for one in cases)} objects compared")
    assert set(different) == {name for name in DIFFERENT if " " in name}, different
    assert compared >= REFUSED


def _reason(error: BpfvmError) -> str:
    """The kind of a refusal."""
    text = str(error)
    if isinstance(error, VerifierReject):
        return "VerifierReject (CO-RE)" if "a CO-RE relocation" in text else "VerifierReject"
    if isinstance(error, Unavailable) and text.startswith("refused by this host's policy"):
        return "Unavailable (host's policy)"
    if isinstance(error, LoadError) and " to attach to" in text:
        return "LoadError (no target)"
    return f"{type(error).__name__}: {text}"


def test_what_stands_in_the_kernel_is_what_libbpf_puts_there(cases: list[Case]) -> None:
    """Of each object all programs that libbpf takes: the same instructions, functions and targets; the same maps."""
    objects, programs, maps = 0, 0, 0
    for case in cases:
        theirs = case.theirs
        assert theirs.rest in (None, 0), f"{case.name}: libbpf takes its programs alone, and not together"
        if not theirs.programs:
            continue
        with install(case.spec, tuple(theirs.programs), pin=False) as installed:
            ours = {name: program_facts(one.fd.number) for name, one in installed.programs.items()}
            assert_equal(case.name, ours, theirs.programs)
            made = {name[:NAME]: map_facts(one.fd.number) for name, one in installed.maps.items()}
            assert_equal(case.name, made, {section_of(name)[:NAME]: one for name, one in theirs.maps.items()})
        objects += case.name.startswith(PACKAGES)
        programs, maps = programs + len(ours), maps + len(made)
    print(f"{objects} objects of {', '.join(PACKAGES)} loaded with what both take; of all, {programs} programs and "
          f"{maps} maps compared in the kernel")  # fmt: skip
    assert objects >= WHOLE
    assert (programs >= PROGRAMS, maps >= MAPS) == (True, True), (programs, maps)


def assert_equal(name: str, ours: Mapping[str, Facts], theirs: Mapping[str, Facts]) -> None:
    assert _listed(ours.items()) == _listed(theirs.items()), name


def _listed(facts: Iterable[tuple[str, Facts]]) -> list[tuple[str, list[object]]]:
    return sorted((name, list(one)) for name, one in facts)
