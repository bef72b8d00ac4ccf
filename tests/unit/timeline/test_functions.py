"""What programs ask of a function that is traced, of another task's stack and of a path: the same on all machines."""

# mypy: disable-error-code="index, type-arg, no-untyped-def, no-untyped-call, valid-type, arg-type, call-arg, misc"

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bpfvm import Array, Hash, KernelPtr, bpf, char, s64, struct, u32, u64, vmlinux
from bpfvm.core.diag import CompileError
from bpfvm.core.errors import UsageError
from bpfvm.lang.contexts.arguments import prototype, traced
from bpfvm.lang.hooks import hook
from bpfvm.lang.traced import stacks
from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.obj.btf.codec import encode
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.cursor import StringTable
from bpfvm.timeline import Task, Timeline
from bpfvm.vmlinux import file, task_struct
from tests.engines import EMULATORS

ENGINES = ("cpython", *EMULATORS)
USER, UNKNOWN = 1 << 8, 1 << 20  # of a stack's flags


@struct
class Text:
    text: char[24]


answers = Hash(u32, s64, 16)
words = Array(u64, 8)
texts = Array(Text, 2)


@bpf.fentry("vfs_read")
def entered(ctx):
    value = u64[1]()
    answers[0] = bpf.helper.get_func_arg_cnt(ctx)
    answers[1] = bpf.helper.get_func_arg(ctx, 2, value)
    words[0] = value[0]
    answers[2] = bpf.helper.get_func_arg(ctx, 4, value)
    answers[3] = bpf.helper.get_func_ret(ctx, value)


@bpf.fexit("vfs_read")
def left(ctx):
    value = u64[1]()
    answers[4] = bpf.helper.get_func_ret(ctx, value)
    words[1] = value[0]
    answers[5] = bpf.helper.get_func_arg_cnt(ctx)


@bpf.tp_btf("sched_switch")
def asked(ctx):
    answers[0] = bpf.helper.get_func_arg_cnt(ctx)


@bpf.tp_btf("sched_switch")
def switched(prev: task_struct, next: task_struct):
    buffer = u64[2]()
    answers[0] = bpf.helper.get_task_stack(next, buffer, 0)
    words[0], words[1] = buffer[0], buffer[1]
    answers[1] = bpf.helper.get_task_stack(next, buffer, 1)
    words[2], words[3] = buffer[0], buffer[1]
    answers[2] = bpf.helper.get_task_stack(next, buffer, USER)
    answers[3] = bpf.helper.get_task_stack(prev, buffer, USER)
    words[4] = buffer[0]
    answers[4] = bpf.helper.get_task_stack(prev, buffer, 0)
    answers[5] = bpf.helper.get_task_stack(next, buffer, UNKNOWN)


@bpf.tp_btf("sched_switch")
def looked_up(prev: task_struct):
    buffer = u64[1]()
    answers[0] = bpf.helper.get_task_stack(prev.real_parent, buffer, 0)


@bpf.fentry("filp_close")
def closed(filp: file):
    text, short = Text(), char[4]()
    answers[0] = bpf.helper.d_path(filp.f_path, text.text)
    texts[0] = text
    answers[3] = s64(text.text[12])
    answers[1] = bpf.helper.d_path(filp.f_path, short)
    answers[2] = s64(filp.f_path.dentry.d_name.len)
    texts[1] = Text(text=KernelPtr[char](filp.f_path.dentry.d_parent.d_name.name))


def test_arguments_of_a_function_by_number() -> None:
    seen = Timeline(entered, left).at(0, "vfs_read", count=4321, ret=100).check()
    assert seen.engines == ENGINES
    assert dict(seen.maps["answers"]) == {0: 4, 1: 0, 2: -errno.EINVAL, 3: -errno.EOPNOTSUPP, 4: 0, 5: 4}
    assert list(seen.maps["words"].values())[:2] == [4321, 100]


def test_a_struct_as_an_argument_is_as_many_words_as_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    btf, strings = Btf(), StringTable()
    word = btf.add_int("unsigned long", 8)
    pair = btf.add_struct("pair", 16, [("a", word, 0), ("b", word, 64)])
    btf.add_func("taken", btf.add_func_proto(word, [("one", word), ("both", pair), ("last", word)]))
    whole = tmp_path / "types"
    whole.write_bytes(encode(btf, strings, "little"))
    monkeypatch.setattr(KERNEL, "path", str(whole))
    found = prototype(hook("fexit", ("taken",)), "taken")
    assert {name: one.offset for name, one in found.items()} == {"one": 0, "both": 8, "last": 24, "ret": 32}
    assert traced(hook("fexit", ("taken",)), "taken") == (4, True)
    assert traced(hook("fentry", ("taken",)), "taken") == (4, False)


def test_only_functions_have_arguments_by_number() -> None:
    with pytest.raises(CompileError, match="get_func_arg_cnt` is not for programs of type tracing"):
        Timeline(asked).at(0, "sched_switch").run("interp")


def test_stacks_of_other_tasks() -> None:
    first = Task(1, "first", stack=["main"])
    second = Task(2, "second", stack=["main"], kernel_stack=["schedule", "do_nanosleep", "hrtimer_nanosleep"])
    seen = Timeline(switched).at(0, "sched_switch", prev=first, next=second, by=first).check()
    assert seen.engines == ENGINES
    no = {2: -errno.EOPNOTSUPP, 4: -errno.EFAULT, 5: -errno.EINVAL}
    assert dict(seen.maps["answers"]) == {0: 16, 1: 16, 3: 8, **no}
    names = [stacks.named(one) for one in list(seen.maps["words"].values())[:5]]
    assert names == ["schedule", "do_nanosleep", "do_nanosleep", "hrtimer_nanosleep", "main"]


def test_a_task_that_an_argument_leads_to_has_its_stack() -> None:
    parent = Task(1, "init", kernel_stack=["schedule"])
    seen = Timeline(looked_up).at(0, "sched_switch", prev=Task(2, "child", parent=parent)).check()
    assert dict(seen.maps["answers"]) == {0: 8}


def test_the_path_of_a_file() -> None:
    opened = vmlinux.new("file", f_path="/etc/passwd")
    seen = Timeline(closed).at(0, "filp_close", filp=opened).check()
    assert seen.engines == ENGINES
    end = ord("/")  # behind the zero: a path is put together at the end of a buffer, and moved
    assert dict(seen.maps["answers"]) == {0: 12, 1: -errno.ENAMETOOLONG, 2: 6, 3: end}
    assert [one["text"] for one in seen.maps["texts"].values()] == ["/etc/passwd", "etc"]


@pytest.mark.parametrize("path", ["etc/passwd", "/etc/", "//etc", ""])
def test_a_path_begins_at_the_root(path: str) -> None:
    with pytest.raises(UsageError, match="takes a path from the root"):
        vmlinux.new("file", f_path=path)
