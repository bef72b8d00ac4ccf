"""Load objects with libbpf against given BTF in place of the kernel's: a script to run under strace, which sees bpf(2).

    strace -e trace=bpf,write … python core_driver.py SCRIPT

SCRIPT is a file of JSON: [[object, BTF or null, configuration or null], …]. Behind the calls of one load stands a write
of JSON to /dev/null: {"case": number, "loaded": bool, "said": libbpf's warnings, "kconfig": that map's value in hex}.
Nothing is attached or pinned.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

Printer = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class OpenOptions(ctypes.Structure):
    """struct bpf_object_open_opts of bpf/libbpf.h."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("object_name", ctypes.c_char_p),
        ("relaxed_maps", ctypes.c_bool),
        ("pin_root_path", ctypes.c_char_p),
        ("attach_prog_fd", ctypes.c_uint32),  # a hole, since that field went
        ("kconfig", ctypes.c_char_p),
        ("btf_custom_path", ctypes.c_char_p),
        ("kernel_log_buf", ctypes.c_void_p),
        ("kernel_log_size", ctypes.c_size_t),
        ("kernel_log_level", ctypes.c_uint32),
    )


def main(script: str) -> None:
    """Every case, one after the other."""
    lib, c = ctypes.CDLL("libbpf.so.1", use_errno=True), ctypes.CDLL(None)
    lib.bpf_object__open_file.restype = ctypes.c_void_p
    lib.bpf_object__open_file.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    lib.bpf_object__find_map_by_name.restype = ctypes.c_void_p
    lib.bpf_object__find_map_by_name.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    lib.bpf_map__value_size.argtypes = lib.bpf_map__fd.argtypes = (ctypes.c_void_p,)
    lib.bpf_object__load.argtypes = lib.bpf_object__close.argtypes = (ctypes.c_void_p,)
    c.vsnprintf.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p)
    said: list[str] = []

    def keep(level: int, form: bytes, arguments: int) -> int:
        if level == 0:
            text = ctypes.create_string_buffer(4096)
            c.vsnprintf(text, len(text), form, arguments)
            said.append(text.value.decode(errors="replace").strip())
        return 0

    printer = Printer(keep)
    lib.libbpf_set_print(printer)
    marks = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
    for number, (path, btf, config) in enumerate(json.loads(script)):
        options = OpenOptions(
            sz=ctypes.sizeof(OpenOptions),
            btf_custom_path=btf.encode() if btf else None,
            kconfig=config.encode() if config else None,
        )
        opened = lib.bpf_object__open_file(path.encode(), ctypes.byref(options))
        loaded = bool(opened) and lib.bpf_object__load(opened) == 0
        values = kconfig(lib, opened) if loaded else ""
        if opened:
            lib.bpf_object__close(opened)
        os.write(marks, json.dumps({"case": number, "loaded": loaded, "said": said[:20], "kconfig": values}).encode())
        said.clear()


def kconfig(lib: ctypes.CDLL, opened: int) -> str:
    """The value of map .kconfig, in hex; "" for an object without it."""
    found = lib.bpf_object__find_map_by_name(opened, b".kconfig")
    if not found:
        return ""
    size = lib.bpf_map__value_size(found)
    value, key = ctypes.create_string_buffer(size), ctypes.c_uint32(0)
    assert lib.bpf_map_lookup_elem(lib.bpf_map__fd(found), ctypes.byref(key), value) == 0
    return value.raw.hex()


if __name__ == "__main__":
    with open(sys.argv[1]) as given:
        main(given.read())
