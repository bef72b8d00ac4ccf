"""Maps of sockets: where sk_skb and sk_msg programs send data, and what reuseport programs choose from."""

from __future__ import annotations

from typing import Any, ClassVar

from bpfvm.core.machine import Entry
from bpfvm.lang.active import Machine
from bpfvm.lang.maps.base import Contents, checked, element, key_bytes, pairs
from bpfvm.lang.maps.keyed import MOST
from bpfvm.lang.maps.targets import Indexed, signed

INGRESS = 1  # BPF_F_INGRESS
VERBS = {"sk_skb": "sk", "sk_msg": "msg"}  # by program type, how its helpers begin


class Sockets(Indexed):
    """Sockets by key. contents: those that stand there from the start, descriptors or what has one (`fileno()`)."""

    usage = "return socks.redirect(k)"
    redirects: ClassVar[str]  # how the name of its helper ends

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


class SockMap(Sockets):
    """BPF_MAP_TYPE_SOCKMAP: sockets under the indexes from 0."""

    type = "sockmap"
    redirects = "redirect_map"


class SockHash(Sockets):
    """BPF_MAP_TYPE_SOCKHASH: sockets under keys of any type."""

    type = "sockhash"
    redirects = "redirect_hash"

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
