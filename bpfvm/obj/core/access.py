"""What a CO-RE relocation asks about: a root type and the way from it to a field or an enumerator.

The access string is the list of indexes that C would take (include/uapi/linux/bpf.h, struct bpf_core_relo):

    &one->inner[2].port     "0:1:2:0"    one[0], member 1, element 2, member 0
    enum value              "1"          the second enumerator
    a whole type            "0"

Names of members count, and their indexes in the target do not: a member is found there by name, also inside of unnamed
structs and unions, which C leaves out and an access string does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.types import Array, Enum, Enum64, Struct, Union
from bpfvm.obj.btf.view import TypeView

MAX_INDEXES = 64  # of one access string (BPF_CORE_SPEC_MAX_LEN of libbpf)

_INDEXES = re.compile(r"\d{1,10}(:\d{1,10})*")


@dataclass(frozen=True, slots=True)
class Step:
    """One index that counts: member `index`, called `name`, of struct `type`; or where `name` is "" element `index` of
    an array, whose elements are of `type`.
    """

    type: int
    index: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """From type `root` to what is asked about. bit_offset: of a field. length: of its indexes, unnamed members too."""

    root: int
    steps: tuple[Step, ...] = ()
    bit_offset: int = 0
    length: int = 0


def parse(types: TypeView, kind: str, root: int, text: str) -> Access:
    """The access `text` from type `root`, for a relocation of `kind`. LoadError for what is no way in these types."""
    if not _INDEXES.fullmatch(text):
        raise LoadError(f"the access string {text!r} is not indexes with colons between them")
    indexes = [int(one) for one in text.split(":")]
    if len(indexes) > MAX_INDEXES:
        raise LoadError(f"an access string of {len(indexes)} indexes, and at most {MAX_INDEXES} are taken")
    if kind.startswith("type_"):
        if indexes != [0]:
            raise LoadError(f"{kind} asks about a whole type, and its access string is {text!r} in place of '0'")
        return Access(root)
    if kind.startswith("enumval_"):
        return _enumerator(types, kind, root, indexes)
    return _field(types, root, indexes)


def _enumerator(types: TypeView, kind: str, root: int, indexes: list[int]) -> Access:
    number = types.strip(root)
    one = types[number] if number else None
    if not isinstance(one, Enum | Enum64):
        raise LoadError(f"{kind} asks about {types.name_of(root)}, which is no enum")
    if len(indexes) != 1 or indexes[0] >= len(one.values):
        wanted = f"one index below {len(one.values)}"
        raise LoadError(f"{kind} of {types.name_of(root)}: the access string has {indexes}, wanted {wanted}")
    return Access(root, (Step(number, indexes[0], one.values[indexes[0]][0]),))


def _field(types: TypeView, root: int, indexes: list[int]) -> Access:
    number = types.strip(root)
    steps = [Step(number, indexes[0])]
    bits = indexes[0] * types.size_of(number) * 8
    for index in indexes[1:]:
        number = types.strip(number)
        match types[number] if number else None:
            case Struct(members=members) | Union(members=members):
                if index >= len(members):
                    raise LoadError(
                        f"{types.name_of(number)} has {len(members)} members, and member {index} is asked for"
                    )
                if members[index].name:
                    steps.append(Step(number, index, members[index].name))
                bits += members[index].offset
                number = members[index].type
            case Array(element, _, count):
                if index >= count and not is_flexible(types, steps[-1], count):
                    raise LoadError(f"{types.name_of(number)}: element {index} is asked for")
                number = types.strip(element)
                steps.append(Step(number, index))
                bits += index * types.size_of(number) * 8
            case _:
                raise LoadError(f"{types.name_of(number)} has no members, and its member {index} is asked for")
    return Access(root, tuple(steps), bits, len(indexes))


def is_flexible(types: TypeView, holder: Step, count: int) -> bool:
    """Whether an array of `count` elements has any number of them: it has none, and is the last member of a struct.

    holder: the step to the array.
    """
    if count or not holder.name:
        return False
    one = types[holder.type]
    assert isinstance(one, Struct | Union)
    return holder.index == len(one.members) - 1


def words(types: TypeView, access: Access) -> str:
    """An access as C writes it: "struct task_struct.comm[3]", "enum state::RUNNING", "struct inner"."""
    text = types.name_of(access.root)
    steps = access.steps
    if len(steps) == 1 and steps[0].name:
        return f"{text}::{steps[0].name}"
    if steps and steps[0].index:
        text += f"[{steps[0].index}]"
    return text + "".join(f".{one.name}" if one.name else f"[{one.index}]" for one in steps[1:])
