"""Which types of the target are the one that an object means, and which of their members: libbpf's rules for CO-RE.

    candidates      same name without flavour ("task_struct___old" means task_struct), same kind
    fields          members of the same name; of a field's type only as much is compared as reading it needs
    compatible      of type_exists, type_size, type_id_target and externs: same shape, names and sizes do not count
    match           of type_matches: names, sizes, signs and members count

Measured against libbpf 1.1 in kernel_tests/libbpf/test_core.py. Types of a damaged or hostile file may refer to
themselves in every way; a budget of comparisons bounds the time that one matcher takes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.types import Array, Enum, Enum64, Float, FuncProto, Fwd, Int, Member, Ptr, Struct, Type, Union
from bpfvm.obj.btf.view import TypeView, essential_name
from bpfvm.obj.core.access import MAX_INDEXES, Access, Step, is_flexible

MAX_NESTING = 32  # of types compared with one another, as in libbpf
BUDGET = 200_000  # comparisons; an object of libbpf-tools takes fewer than 1000


class Matcher:
    """Types of an object (`local`) against types of the machine it is to run on (`target`)."""

    def __init__(self, local: TypeView, target: TypeView) -> None:
        self.local, self.target = local, target
        self._left = BUDGET
        self._members: dict[int, dict[str, list[int]]] = {}  # by struct of the target: see _places
        self._lacking: set[tuple[int, Step]] = set()

    def candidates(self, number: int) -> list[int]:
        """The ids in the target that may be local type `number`."""
        one = self.local[number]
        name = essential_name(getattr(one, "name", ""))
        there = self.target.named(name) if name else ()
        self._spend(len(there))
        return [other for other in there if same_kind(one, self.target[other])]

    def find(self, kind: str, access: Access, candidate: int) -> Access | None:
        """What `access`, of a relocation of `kind`, is from type `candidate` of the target, or None."""
        if kind.startswith("type_"):
            ask = self.match if kind == "type_matches" else self.compatible
            return Access(candidate) if ask(access.root, candidate) else None
        if kind.startswith("enumval_"):
            return self._enumerator(access, candidate)
        return self._field(access, candidate)

    def _spend(self, steps: int = 1) -> None:
        self._left -= steps
        if self._left < 0:
            raise LoadError(f"comparing the object's types with the target's takes more than {BUDGET} steps")

    # Enumerators and fields

    def _enumerator(self, access: Access, candidate: int) -> Access | None:
        number = self.target.strip(candidate)
        one = self.target[number] if number else None
        if not isinstance(one, Enum | Enum64):
            return None
        wanted = essential_name(access.steps[0].name)
        for index, (name, _) in enumerate(one.values):
            self._spend()
            if essential_name(name) == wanted:
                return Access(candidate, (Step(number, index, name),))
        return None

    def _field(self, access: Access, candidate: int) -> Access | None:
        found = Access(candidate)
        number = self.target.strip(candidate)
        for place, step in enumerate(access.steps):
            number = self.target.strip(number)
            if step.name:
                named = self._member(step, number, found)
                if named is None:
                    return None
                found, number = named
                continue
            if place:
                one = self.target[number] if number else None
                if not isinstance(one, Array):
                    return None
                if step.index >= one.count and not is_flexible(self.target, found.steps[-1], one.count):
                    return None
                number = self.target.strip(one.type)
            found = _element(self.target, found, number, step.index)
        return found

    def _member(self, step: Step, number: int, found: Access) -> tuple[Access, int] | None:
        """`found` with the member of struct `number` that local `step` names, and that member's type.

        A struct that was searched in vain is not searched again: unnamed members may lead to one in many ways.
        """
        self._spend()
        number = self.target.strip(number)
        one = self.target[number] if number else None
        if not isinstance(one, Struct | Union) or (number, step) in self._lacking:
            return None
        if one.members and found.length >= MAX_INDEXES:
            raise LoadError(f"{self.target.name_of(found.root)} has more than {MAX_INDEXES} members in one another")
        for index in self._places(number, one).get(step.name, self._places(number, one)[""]):
            member = one.members[index]
            here = replace(found, bit_offset=found.bit_offset + member.offset, length=found.length + 1)
            if not member.name:
                deeper = self._member(step, member.type, here)
                if deeper is not None:
                    return deeper
            elif self._is_readable(step, member.type):
                return replace(here, steps=(*found.steps, Step(number, index, member.name))), member.type
            else:
                break
        self._lacking.add((number, step))
        return None

    def _places(self, number: int, one: Struct | Union) -> Mapping[str, Sequence[int]]:
        """Name of each member -> the members to look at for it, in order: the unnamed ones before it, and itself; under
        "" all unnamed ones.
        """
        known = self._members.get(number)
        if known is None:
            self._spend(len(one.members))
            unnamed = [index for index, member in enumerate(one.members) if not member.name]
            known = self._members[number] = {"": unnamed}
            for index, member in enumerate(one.members):
                if member.name not in known:
                    before = unnamed[: bisect_left(unnamed, index)] if unnamed else []
                    self._spend(len(before))
                    known[member.name] = [*before, index]
        return known

    def _is_readable(self, step: Step, theirs: int) -> bool:
        local = self.local[step.type]
        assert isinstance(local, Struct | Union)
        return self.fields_compatible(local.members[step.index].type, theirs)

    def fields_compatible(self, mine: int, theirs: int) -> bool:
        """Whether a field of type `theirs` can be read by code that was written for `mine`."""
        while True:
            self._spend()
            one, other = _at(self.local, mine), _at(self.target, theirs)
            if isinstance(one, Struct | Union) and isinstance(other, Struct | Union):
                return True
            if one is None or other is None or not same_kind(one, other):
                return False
            match one, other:
                case (Ptr(), _) | (Float(), _):
                    return True
                case ((Fwd() | Enum() | Enum64()), (Fwd() | Enum() | Enum64())):
                    names = essential_name(one.name), essential_name(other.name)
                    return not all(names) or names[0] == names[1]
                case Int(), Int():
                    return not one.bit_offset and not other.bit_offset
                case Array(), Array():
                    mine, theirs = one.type, other.type
                case _:
                    return False

    # Whole types

    def compatible(self, mine: int, theirs: int) -> bool:
        """Whether the types have one shape. No names count; the caller has compared those of the types themselves."""
        unstripped = (self.local[mine] if mine else None, self.target[theirs] if theirs else None)
        return _same(*unstripped) and self._compatible(mine, theirs, MAX_NESTING)

    def _compatible(self, mine: int, theirs: int, level: int) -> bool:
        for _ in range(MAX_NESTING if level else 0):
            self._spend()
            one, other = _at(self.local, mine), _at(self.target, theirs)
            if isinstance(one, Ptr | Array) and isinstance(other, Ptr | Array):
                if type(one) is not type(other):
                    return False
                mine, theirs = one.type, other.type
            elif isinstance(one, FuncProto) and isinstance(other, FuncProto):
                if not _all_params(one, other, partial(self._compatible, level=level - 1)):
                    return False
                mine, theirs = one.returns, other.returns
            elif isinstance(one, Int) and isinstance(other, Int):
                return not one.bit_offset and not other.bit_offset
            else:
                return _same(one, other) and isinstance(one, _OPAQUE)
        raise LoadError(f"{self.local.name_of(mine)} is behind more than {MAX_NESTING} other types")

    def match(self, mine: int, theirs: int) -> bool:
        """Whether the target's type has all that the local one says: names, sizes, signs, members that match.

        Behind a pointer, structs match by name and kind. The target may have more members and enumerators.
        """
        return self._match(mine, theirs, False, MAX_NESTING)

    def _match(self, mine: int, theirs: int, behind: bool, level: int) -> bool:
        """behind: a pointer."""
        for _ in range(MAX_NESTING if level else 0):
            self._spend()
            one, other = _at(self.local, mine), _at(self.target, theirs)
            if _essential(one) != _essential(other):
                return False
            if isinstance(one, Ptr) and isinstance(other, Ptr):
                mine, theirs, behind = one.type, other.type, True
            elif isinstance(one, Array) and isinstance(other, Array):
                if one.count != other.count:
                    return False
                mine, theirs = one.type, other.type
            elif isinstance(one, FuncProto) and isinstance(other, FuncProto):
                if not _all_params(one, other, partial(self._match, behind=behind, level=level - 1)):
                    return False
                mine, theirs = one.returns, other.returns
            else:
                return self._leaves_match(one, other, behind, level)
        raise LoadError(f"{self.local.name_of(mine)} is behind more than {MAX_NESTING} other types")

    def _leaves_match(self, one: Type | None, other: Type | None, behind: bool, level: int) -> bool:
        """Of types without others behind them."""
        match one, other:
            case ((Fwd() | Struct() | Union()), (Fwd() | Struct() | Union())) if behind:
                return _is_union(one) == _is_union(other)
            case Struct(members=members), Struct(members=others):
                return self._members_match(members, others, level)
            case Union(members=members), Union(members=others):
                return self._members_match(members, others, level)
            case Fwd(), Fwd():
                return one.is_union == other.is_union
            case ((Enum() | Enum64()), (Enum() | Enum64())):
                return one.size == other.size and self._values_match(one.values, other.values)
            case Int(), Int():
                return (one.size, one.is_signed) == (other.size, other.is_signed)
            case _:
                return one is other is None

    def _members_match(self, members: tuple[Member, ...], others: tuple[Member, ...], level: int) -> bool:
        if len(members) > len(others):
            return False
        there: dict[str, list[int]] = {}
        for other in others:
            self._spend()
            there.setdefault(essential_name(other.name), []).append(other.type)
        for one in members:
            named = there.get(essential_name(one.name), ())
            if not any(self._match(one.type, kind, False, level - 1) for kind in named):
                return False
        return True

    def _values_match(self, values: tuple[tuple[str, int], ...], others: tuple[tuple[str, int], ...]) -> bool:
        """Numbers do not count: that they are others is what enumval_value is for."""
        self._spend(len(others))
        there = {essential_name(name) for name, _ in others}
        return len(values) <= len(others) and all(essential_name(name) in there for name, _ in values)


# Compatible as soon as they are of one kind
_OPAQUE = (Struct, Union, Enum, Enum64, Fwd, type(None))


def _all_params(one: FuncProto, other: FuncProto, ask: Callable[[int, int], bool]) -> bool:
    """Whether two functions take equally many arguments, and `ask` says yes to the types of each pair."""
    pairs = zip(one.params, other.params, strict=False)
    return len(one.params) == len(other.params) and all(ask(mine[1], theirs[1]) for mine, theirs in pairs)


def _essential(one: Type | None) -> str:
    return essential_name(getattr(one, "name", ""))


def same_kind(one: Type, other: Type) -> bool:
    """Enums of 32 and of 64 bits are one kind to CO-RE, all others are what they are."""
    return type(one) is type(other) or (isinstance(one, Enum | Enum64) and isinstance(other, Enum | Enum64))


def _same(one: Type | None, other: Type | None) -> bool:
    """The same with None for void."""
    return one is other is None or (one is not None and other is not None and same_kind(one, other))


def _at(types: TypeView, number: int) -> Type | None:
    """The type behind typedefs and qualifiers; None for void."""
    number = types.strip(number)
    return types[number] if number else None


def _is_union(one: Fwd | Struct | Union) -> bool:
    return one.is_union if isinstance(one, Fwd) else isinstance(one, Union)


def _element(types: TypeView, found: Access, number: int, index: int) -> Access:
    """`found` with element `index` of an array of type `number` behind it."""
    if found.length >= MAX_INDEXES:
        raise LoadError(f"{types.name_of(found.root)}: more than {MAX_INDEXES} indexes")
    bits = found.bit_offset + index * types.size_of(number) * 8
    return Access(found.root, (*found.steps, Step(number, index)), bits, found.length + 1)
