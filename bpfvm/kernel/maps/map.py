"""One map in the kernel: created as declared, filled, closed."""

from __future__ import annotations

import errno
import mmap
import re
from collections.abc import Mapping
from dataclasses import replace

from bpfvm.core.amounts import octets
from bpfvm.core.bits import M32
from bpfvm.core.errors import BpfvmError, LoadError, Unavailable
from bpfvm.core.machine import Entries
from bpfvm.kernel.host import privilege
from bpfvm.kernel.maps.elements import BYTE_ORDER, Elements, possible_cpus
from bpfvm.kernel.readers import send, waiting
from bpfvm.kernel.sys import (
    MAP_CREATE,
    MAP_FREEZE,
    NAME_LENGTH,
    Fd,
    MapCreate,
    MapElement,
    bpf,
    error_name,
    error_text,
)
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME, FLAGS, MapType

_RDONLY_PROG = FLAGS["rdonly_prog"]  # the verifier takes frozen contents of such a map for constants
_TYPED = ("prog_array", "perf_event_array", "cgroup_array", "stack_trace", "array_of_maps", "hash_of_maps", "devmap",
          "devmap_hash", "cpumap", "xskmap", "sockmap", "sockhash")  # fmt: skip


class KernelMap:
    """A map; its descriptor is closed by `close`.

    named: what may stand in a map of maps or a prog array, name -> descriptor; may grow until it is written.
    """

    def __init__(
        self, spec: MapSpec, btf: int = 0, named: Mapping[str, int] | None = None, fd: Fd | None = None,
        nameless: bool = False,
    ) -> None:  # fmt: skip
        """Create the map. Raises LoadError for a declaration that cannot be, Unavailable for what is not allowed.

        btf: descriptor of the BTF that spec's types are in, 0 without one. fd: a map that is there already, which is
        `shared`. nameless: of a kernel whose maps have no names.
        """
        row = BY_NAME.get(spec.type)
        if row is None:
            raise Unavailable(f"map {spec.name}: there are no maps of type {spec.type!r}")
        if spec.type == "struct_ops" and fd is None:
            raise LoadError(f"map {spec.name}: a struct_ops map is made of a table of functions in section .struct_ops")
        self.spec = spec
        self.entries = entries_of(spec, row)
        self.shared = fd is not None
        self.fd = fd if fd is not None else Fd(_create(spec, row, btf, nameless))
        self.named = {} if named is None else named
        self.memory = _arena(self.fd, self.entries, spec.name) if spec.type == "arena" else None
        self._elements = Elements(self.fd, self.spec, self.named)

    def close(self) -> None:
        """Close the descriptor; the kernel frees the map when no program refers to it."""
        if self.memory is not None:
            self.memory.close()
        self.fd.close()

    def fill(self) -> None:
        """Contents at load as they are declared. A map that was there keeps its own, but for programs to jump to."""
        spec = self.spec
        if spec.initial is not None and not self.shared:
            self.write([(bytes(spec.key_size), spec.initial)])
        if spec.entries and not self.shared:
            self.write(list(spec.entries))
        if not self.shared or spec.type == "prog_array":
            self.write([(index.to_bytes(spec.key_size, BYTE_ORDER), name.encode()) for index, name in spec.contents])

    def freeze(self) -> None:
        """Make read-only data constant to the verifier and unchangeable; other maps stay as they are."""
        if self.spec.initial is None or not self.spec.flags & _RDONLY_PROG or self.shared:
            return
        try:
            bpf(MAP_FREEZE, MapElement(map_fd=self.fd.number))
        except OSError as error:
            raise self._elements.error(error, "frozen") from None

    def write(self, entries: Entries) -> None:
        """Store every entry; those of a user ring buffer are messages. Raises UsageError for what does not fit."""
        if self.spec.type == "user_ringbuf":
            send(self.fd, self.spec.name, self.entries, entries)
        else:
            self._elements.write(entries)

    def read(self) -> Entries:
        """Every element; see Elements.read. Of a user ring buffer the messages that wait."""
        if self.spec.type == "user_ringbuf":
            return waiting(self.fd, self.spec.name, self.entries)
        return self._elements.read()


def _arena(fd: Fd, pages: int, name: str) -> mmap.mmap:
    """The memory of an arena. Programs that use it are taken only when user space has mapped it."""
    try:
        return mmap.mmap(fd.number, pages * mmap.PAGESIZE)
    except (OSError, ValueError) as error:
        fd.close()
        raise Unavailable(f"map {name}: an arena of {pages} pages cannot be mapped: {error}") from None


def kernel_name(name: str) -> bytes:
    """`name` as the kernel takes it: 15 characters, letters, digits, `_` and `.` (bpf_obj_name_cpy)."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", name).encode("ascii")[: NAME_LENGTH - 1]


def _create(spec: MapSpec, row: MapType, btf: int, nameless: bool) -> int:
    _check_declaration(spec, row)
    inner = KernelMap(replace(spec.inner, name=f"{spec.name}.inner"), btf, nameless=nameless) if spec.inner else None
    typed = btf if (spec.key_type or spec.value_type) and spec.type not in _TYPED else 0
    attr = MapCreate(
        map_type=row.number, key_size=spec.key_size, value_size=spec.value_size, max_entries=entries_of(spec, row),
        map_flags=spec.flags, map_name=b"" if nameless else kernel_name(spec.name), map_extra=spec.extra,
        numa_node=spec.numa_node,
        inner_map_fd=inner.fd.number if inner is not None else 0, btf_fd=typed,
        btf_key_type_id=spec.key_type if typed else 0, btf_value_type_id=spec.value_type if typed else 0,
    )  # fmt: skip
    try:
        return _made(attr, typed)
    except OSError as error:
        raise _refused(spec, error.errno or 0) from None
    finally:
        if inner is not None:
            inner.close()


def _made(attr: MapCreate, typed: int) -> int:
    try:
        return bpf(MAP_CREATE, attr)
    except OSError:
        if not typed:
            raise
    # types that this kernel refuses are left out, as libbpf does: only some maps need them
    attr.btf_fd = attr.btf_key_type_id = attr.btf_value_type_id = 0
    return bpf(MAP_CREATE, attr)


def entries_of(spec: MapSpec, row: MapType) -> int:
    """max_entries as the kernel wants them: a count of CPUs where none is given, whole pages for rings."""
    if spec.max_entries == 0 and spec.type == "perf_event_array":
        return possible_cpus()
    if row.entries == "pages" and spec.max_entries:
        size = mmap.PAGESIZE
        while size < spec.max_entries:
            size *= 2
        return size
    return spec.max_entries


def _check_declaration(spec: MapSpec, row: MapType) -> None:
    if row.key_size is not None and spec.key_size != row.key_size:
        raise LoadError(
            f"map {spec.name}: keys of {octets(spec.key_size)}, and those of {spec.type} have {row.key_size}"
        )
    for what, number, least in (
        ("value_size", spec.value_size, 0 if row.value_size == 0 else 1),
        ("max_entries", spec.max_entries, 1 if row.entries == "any" and spec.type != "perf_event_array" else 0),
        ("flags", spec.flags, 0),
    ):
        if not least <= number <= M32:
            raise LoadError(f"map {spec.name}: {what} is {number}, and the kernel takes {least} to {M32}")
    if row.inner and spec.inner is None:
        raise LoadError(f"map {spec.name}: a map of maps has to say what the maps in it look like")
    if spec.initial is not None and len(spec.initial) != spec.value_size:
        raise LoadError(
            f"map {spec.name}: initial contents of {octets(len(spec.initial))}, and a value has {spec.value_size}"
        )


def _refused(spec: MapSpec, number: int) -> BpfvmError:
    shape = f"max_entries {spec.max_entries}, value_size {spec.value_size}, flags {spec.flags:#x}"
    if number == errno.EPERM and spec.flags & FLAGS["zero_seed"]:
        return privilege.refusal(
            f"creating map {spec.name} with BPF_F_ZERO_SEED", (*privilege.MAP_NEEDS, "CAP_SYS_ADMIN")
        )
    if number == errno.EPERM:
        return privilege.refusal("creating a map", privilege.MAP_NEEDS)
    if number == errno.ENOSYS:
        return Unavailable("this kernel has no bpf(2) (ENOSYS); it must be built with CONFIG_BPF_SYSCALL")
    if number in (errno.E2BIG, errno.ENOMEM):
        return LoadError(f"map {spec.name} is too large for this kernel ({error_name(number)}): {shape}")
    if number == errno.EINVAL:
        return LoadError(f"map {spec.name}: this kernel makes no {spec.type} map of this shape (EINVAL): {shape}")
    return Unavailable(f"map {spec.name} cannot be created: {error_text(number)} ({error_name(number)})")
