"""Maps of sockets: where sk_skb and sk_msg programs send data, and what reuseport programs choose from.

In a program what stands there is a socket, which is released once it was looked up; in user space, its cookie.
"""

from __future__ import annotations

from typing import Any, ClassVar

from bpfvm.core.machine import Entry
from bpfvm.lang.active import CONTEXT, Machine
from bpfvm.lang.contexts.sockets import WHOLE
from bpfvm.lang.faults import MapError
from bpfvm.lang.maps.base import Contents, Memory, checked, element, key_bytes, pairs
from bpfvm.lang.maps.keyed import MOST, missing
from bpfvm.lang.maps.targets import Indexed, signed
from bpfvm.lang.types.layout import View, view
from bpfvm.lang.types.scalars import u64
from bpfvm.lang.userspace import UserSide

INGRESS = 1  # BPF_F_INGRESS
VERBS = {"sk_skb": "sk", "sk_msg": "msg"}  # by program type, how its helpers begin


class Sockets(Indexed):
    """Sockets by key. contents: those that stand there from the start, descriptors or what has one (`fileno()`)."""

    usage = "return socks.redirect(k)"
    redirects: ClassVar[str]  # how the name of its helper ends
    stores: ClassVar[str]  # the helper that stores the socket of a context

    def __init__(self, max_entries: int, name: str | None = None, contents: Contents | None = None) -> None:
        super().__init__(max_entries, name, contents)
        self.value = u64  # a descriptor where it is stored by user space, and the socket's cookie where it is read

    def no_room(self, name: str) -> str:
        return f"{name} takes no socket here: one that is connected or listens, where there is room"

    def __getitem__(self, key: Any) -> Any:
        """The socket at `key`: s.release() on every way. In user space, its cookie."""
        found = self.get(key)
        if found is None:
            raise missing(key)
        return found

    def get(self, key: Any) -> Any:
        """The same, or None where there is none."""
        on = self._machine()
        address = on.helper("map_lookup_elem", on.handle(self), on.place(key_bytes(self, key)))
        if not address:
            return None
        if isinstance(on, UserSide):
            return on.value(self.value, address)
        return view(WHOLE, Looked(on, address), address, fixed=True)

    def __contains__(self, key: Any) -> bool:
        found = self.get(key)
        if isinstance(found, View):
            found.release()
        return found is not None

    def __setitem__(self, key: Any, value: Any) -> None:
        """Store the socket of the context of a sock_ops program; in user space a descriptor, or what has one."""
        on = self._machine()
        if isinstance(on, UserSide):
            on.helper("map_update_elem", 0, on.place(key_bytes(self, key)), on.place(self._target(value)), 0)
        elif not getattr(type(value), CONTEXT, False):
            raise TypeError(f"{self.called} takes the context of a sock_ops program, not {type(value).__name__}")
        elif on.helper(self.stores, on.context_address(), on.handle(self), on.place(key_bytes(self, key)), 0):
            raise MapError(self.no_room(self.called))

    def __delitem__(self, key: Any) -> None:
        on, data = self._machine(), key_bytes(self, key)
        if isinstance(on, UserSide) and key not in self:
            raise missing(key)
        if on.helper("map_delete_elem", on.handle(self), on.place(data)):
            raise missing(key)

    def redirect(self, key: Any, ingress: bool = False) -> int:
        """SK_PASS, to the socket at `key`, or to what reads from it with `ingress`; SK_DROP where there is none. Of
        sk_skb and sk_msg programs."""
        on = self._machine()
        verb = VERBS.get(on.program_type())
        if verb is None:
            raise TypeError(f"{self.called}.redirect is for sk_skb and sk_msg programs")
        flags = INGRESS if ingress else 0
        return on.helper(f"{verb}_{self.redirects}", on.context_address(), on.handle(self), self._word(on, key), flags)

    def select(self, key: Any) -> int:
        """0 where the socket at `key` is to take the packet, a negative errno without one. Of sk_reuseport programs."""
        on = self._machine()
        if on.program_type() != "sk_reuseport":
            raise TypeError(f"{self.called}.select is for sk_reuseport programs")
        place = on.place(key_bytes(self, key))
        return signed(on.helper("sk_select_reuseport", on.context_address(), on.handle(self), place, 0))

    def _word(self, on: Machine, key: Any) -> int:
        """A key as redirect helpers take it."""
        return self._index(key)


class Looked(Memory):
    """The memory of a socket that a program has looked up."""

    __slots__ = ("_address",)

    def __init__(self, on: Machine, address: int) -> None:
        super().__init__(on)
        self._address = address

    def release(self) -> None:
        """Give it back."""
        self._on.helper("sk_release", self._address)


class SockMap(Sockets):
    """BPF_MAP_TYPE_SOCKMAP: sockets under the indexes from 0."""

    type = "sockmap"
    redirects, stores = "redirect_map", "sock_map_update"


class SockHash(Sockets):
    """BPF_MAP_TYPE_SOCKHASH: sockets under keys of any type."""

    type = "sockhash"
    redirects, stores = "redirect_hash", "sock_hash_update"

    def __init__(
        self, key: Any, max_entries: int = MOST, name: str | None = None, *, contents: Contents | None = None
    ) -> None:  # fmt: skip
        super().__init__(max_entries, name)
        self.key = element("SockHash", "key", key)
        self.given = pairs(contents)
        checked(self)

    def entries(self) -> tuple[Entry, ...]:
        return tuple((key_bytes(self, key), self._target(one)) for key, one in self.given)

    def _word(self, on: Machine, key: Any) -> int:
        return on.place(key_bytes(self, key))
