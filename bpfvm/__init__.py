"""Write eBPF in Python, test it anywhere, run it in the kernel.

The names that users import stand in one table and are loaded when they are first asked for.
"""

from __future__ import annotations

import sys as _sys
from pathlib import Path as _Path
from typing import TYPE_CHECKING, Any

if not _Path(__file__).with_name("compiler").is_dir():  # a checkout without symbolic links
    __path__.append(str(_Path(__file__).resolve().parent.parent))

if TYPE_CHECKING:
    from typing import TypeAlias

    from bpfvm.core.diag import CompileError as CompileError
    from bpfvm.core.errors import BpfvmError as BpfvmError
    from bpfvm.core.errors import LoadError as LoadError
    from bpfvm.core.errors import Mismatch as Mismatch
    from bpfvm.core.errors import StaleCapture as StaleCapture
    from bpfvm.core.errors import Unavailable as Unavailable
    from bpfvm.core.errors import UsageError as UsageError
    from bpfvm.core.errors import VerifierReject as VerifierReject
    from bpfvm.decorators import bpf as bpf
    from bpfvm.lang.functions.signature import Range as Range
    from bpfvm.lang.helpers.callables import comm as comm
    from bpfvm.lang.helpers.callables import cpu as cpu
    from bpfvm.lang.helpers.callables import gid as gid
    from bpfvm.lang.helpers.callables import ktime as ktime
    from bpfvm.lang.helpers.callables import pid as pid
    from bpfvm.lang.helpers.callables import pid_tgid as pid_tgid
    from bpfvm.lang.helpers.callables import rand as rand
    from bpfvm.lang.helpers.callables import tid as tid
    from bpfvm.lang.helpers.callables import uid as uid
    from bpfvm.lang.helpers.callables import uid_gid as uid_gid
    from bpfvm.lang.helpers.current import current as current
    from bpfvm.lang.helpers.sections import SpinLock as SpinLock
    from bpfvm.lang.maps import Array as Array
    from bpfvm.lang.maps import ArrayOf as ArrayOf
    from bpfvm.lang.maps import Bloom as Bloom
    from bpfvm.lang.maps import CgroupArray as CgroupArray
    from bpfvm.lang.maps import CgroupStorage as CgroupStorage
    from bpfvm.lang.maps import Counter as Counter
    from bpfvm.lang.maps import CpuMap as CpuMap
    from bpfvm.lang.maps import DevMap as DevMap
    from bpfvm.lang.maps import Hash as Hash
    from bpfvm.lang.maps import HashOf as HashOf
    from bpfvm.lang.maps import Histogram as Histogram
    from bpfvm.lang.maps import Histograms as Histograms
    from bpfvm.lang.maps import InodeStorage as InodeStorage
    from bpfvm.lang.maps import LpmTrie as LpmTrie
    from bpfvm.lang.maps import PerfEvents as PerfEvents
    from bpfvm.lang.maps import ProgArray as ProgArray
    from bpfvm.lang.maps import Queue as Queue
    from bpfvm.lang.maps import Ring as Ring
    from bpfvm.lang.maps import SkStorage as SkStorage
    from bpfvm.lang.maps import SockHash as SockHash
    from bpfvm.lang.maps import SockMap as SockMap
    from bpfvm.lang.maps import Stack as Stack
    from bpfvm.lang.maps import StackTrace as StackTrace
    from bpfvm.lang.maps import TaskStorage as TaskStorage
    from bpfvm.lang.maps import UserRing as UserRing
    from bpfvm.lang.maps import XskMap as XskMap
    from bpfvm.lang.maps import ip4prefix as ip4prefix
    from bpfvm.lang.maps import ip6prefix as ip6prefix
    from bpfvm.lang.maps.timers import Timer as Timer
    from bpfvm.lang.packets.csum import csum_fold as csum_fold
    from bpfvm.lang.packets.csum import csum_replace as csum_replace
    from bpfvm.lang.packets.csum import csum_replace32 as csum_replace32
    from bpfvm.lang.packets.csum import ip_csum as ip_csum
    from bpfvm.lang.packets.packet import pkt as pkt
    from bpfvm.lang.types.layout import bits as bits
    from bpfvm.lang.types.numbers import bswap16 as bswap16
    from bpfvm.lang.types.numbers import bswap32 as bswap32
    from bpfvm.lang.types.numbers import bswap64 as bswap64
    from bpfvm.lang.types.numbers import hton as hton
    from bpfvm.lang.types.numbers import hton16 as hton16
    from bpfvm.lang.types.numbers import hton32 as hton32
    from bpfvm.lang.types.numbers import hton64 as hton64
    from bpfvm.lang.types.numbers import log2 as log2
    from bpfvm.lang.types.numbers import ntoh as ntoh
    from bpfvm.lang.types.numbers import ntoh16 as ntoh16
    from bpfvm.lang.types.numbers import ntoh32 as ntoh32
    from bpfvm.lang.types.numbers import ntoh64 as ntoh64
    from bpfvm.lang.types.numbers import rol as rol
    from bpfvm.lang.types.numbers import ror as ror
    from bpfvm.lang.types.pointers import KernelPtr as KernelPtr
    from bpfvm.lang.types.pointers import UserPtr as UserPtr
    from bpfvm.lang.types.structs import struct as struct
    from bpfvm.program import Object as Object
    from bpfvm.program import Program as Program
    from bpfvm.program import load as load
    from bpfvm.program import session as session
    from bpfvm.run.outcome import Outcome as Outcome
    from bpfvm.run.running import Running as Running

    # A type checker sees numbers where a machine sees storage: `x: u32 = 5` and `x + 1` are ints to both.
    u8: TypeAlias = int
    u16: TypeAlias = int
    u32: TypeAlias = int
    u64: TypeAlias = int
    s8: TypeAlias = int
    s16: TypeAlias = int
    s32: TypeAlias = int
    s64: TypeAlias = int
    be16: TypeAlias = int
    be32: TypeAlias = int
    be64: TypeAlias = int
    le16: TypeAlias = int
    le32: TypeAlias = int
    le64: TypeAlias = int
    bool8: TypeAlias = bool
    char: TypeAlias = int
    XDP_ABORTED: int
    XDP_DROP: int
    XDP_PASS: int
    XDP_TX: int
    XDP_REDIRECT: int
    TC_ACT_UNSPEC: int
    TC_ACT_OK: int
    TC_ACT_RECLASSIFY: int
    TC_ACT_SHOT: int
    TC_ACT_PIPE: int
    TC_ACT_STOLEN: int
    TC_ACT_QUEUED: int
    TC_ACT_REPEAT: int
    TC_ACT_REDIRECT: int
    TC_ACT_TRAP: int
    SK_DROP: int
    SK_PASS: int
    BPF_OK: int
    BPF_DROP: int
    BPF_REDIRECT: int
    BPF_LWT_REROUTE: int
    BPF_FLOW_DISSECTOR_CONTINUE: int
    NF_DROP: int
    NF_ACCEPT: int

_EXPORTS = {
    **dict.fromkeys(("BpfvmError", "LoadError", "Mismatch", "StaleCapture", "Unavailable", "UsageError",
                     "VerifierReject"),
                    "bpfvm.core.errors"),
    "CompileError": "bpfvm.core.diag",
    "bpf": "bpfvm.decorators",
    **dict.fromkeys(("u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "be16", "be32", "be64", "le16",
                     "le32", "le64", "bool8", "char"),
                    "bpfvm.lang.types.scalars"),
    **dict.fromkeys(("csum_fold", "csum_replace", "csum_replace32", "ip_csum"), "bpfvm.lang.packets.csum"),
    "bits": "bpfvm.lang.types.layout",
    "struct": "bpfvm.lang.types.structs",
    **dict.fromkeys(
        ("bswap16", "bswap32", "bswap64", "hton", "hton16", "hton32", "hton64", "log2", "ntoh", "ntoh16", "ntoh32",
         "ntoh64", "rol", "ror"), "bpfvm.lang.types.numbers",
    ),
    "current": "bpfvm.lang.helpers.current",
    **dict.fromkeys(("KernelPtr", "UserPtr"), "bpfvm.lang.types.pointers"),
    **dict.fromkeys(("comm", "cpu", "gid", "ktime", "pid", "pid_tgid", "rand", "tid", "uid", "uid_gid"),
                    "bpfvm.lang.helpers.callables"),
    "SpinLock": "bpfvm.lang.helpers.sections",
    "Timer": "bpfvm.lang.maps.timers",
    "Range": "bpfvm.lang.functions.signature",
    **dict.fromkeys(("Array", "ArrayOf", "Bloom", "CgroupArray", "CgroupStorage", "Counter", "CpuMap", "DevMap", "Hash",
                     "HashOf", "Histogram", "Histograms", "InodeStorage", "LpmTrie", "PerfEvents", "ProgArray", "Queue",
                     "Ring", "SkStorage", "SockHash", "SockMap", "Stack", "StackTrace", "TaskStorage", "UserRing",
                     "XskMap", "ip4prefix", "ip6prefix"),
                    "bpfvm.lang.maps"),
    "pkt": "bpfvm.lang.packets.packet",
    **dict.fromkeys(("Object", "Program", "load", "session"), "bpfvm.program"),
    "Outcome": "bpfvm.run.outcome",
    "Running": "bpfvm.run.running",
    **dict.fromkeys(
        ("XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT", "TC_ACT_UNSPEC", "TC_ACT_OK",
         "TC_ACT_RECLASSIFY", "TC_ACT_SHOT", "TC_ACT_PIPE", "TC_ACT_STOLEN", "TC_ACT_QUEUED", "TC_ACT_REPEAT",
         "TC_ACT_REDIRECT", "TC_ACT_TRAP", "SK_DROP", "SK_PASS", "BPF_OK", "BPF_DROP", "BPF_REDIRECT",
         "BPF_LWT_REROUTE", "BPF_FLOW_DISSECTOR_CONTINUE", "NF_DROP", "NF_ACCEPT"), "bpfvm.tables.progs",
    ),
}  # fmt: skip

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    import importlib.util

    if module is None:
        from bpfvm.core.errors import not_here

        # `from bpfvm import name` looks for a submodule after an AttributeError, and else makes an error without its
        # words; the asking frame is importlib's own.
        importing = _sys._getframe(1).f_code.co_name == "_handle_fromlist"
        final = importing and importlib.util.find_spec(f"bpfvm.{name}") is None
        raise (ImportError if final else AttributeError)(not_here("bpfvm", name, _EXPORTS, _elsewhere(name)))
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def _elsewhere(name: str) -> str:
    """What to write for a name that is a decorator's, another tool's for a map, or a layer's of a frame; or ""."""
    from importlib import import_module

    from bpfvm.lang.maps.spellings import spelling

    frames = import_module("bpfvm.testing.frames")  # by its name: it imports this module
    if name in vars(type(__getattr__("bpf"))) and not name.startswith("_"):
        return f"write bpf.{name}"
    if getattr(getattr(frames, name, None), "__module__", None) == frames.__name__:
        return f"write from bpfvm.testing.frames import {name}"
    return spelling(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
