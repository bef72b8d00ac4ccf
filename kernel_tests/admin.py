"""The tests that take CAP_SYS_ADMIN, and what for; a user with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN can run the rest.

Measured on 6.18: namespaces and mounts take it, so do objects by id (BPF_MAP_GET_FD_BY_ID, BPF_BTF_GET_FD_BY_ID) and
hash tables with BPF_F_ZERO_SEED (kernel/bpf/hashtab.c).
"""

from __future__ import annotations

from fnmatch import fnmatchcase

SEED = "makes hash tables with BPF_F_ZERO_SEED"
IDS = "opens maps by id"

# file::test[parameters], with * in them -> what it does
NEEDED = (
    ("test_attached.py::*", "makes network namespaces"),
    ("test_places.py::*", "makes network namespaces"),
    ("test_debian_attach.py::*", "makes network namespaces"),
    ("test_attach*.py::*", "makes network namespaces and reads tracefs"),
    ("test_user_half.py::*", "attaches to interfaces and tracefs"),
    ("test_trace.py::*", "makes network namespaces and attaches probes"),
    ("test_trace_killed.py::*", "makes network namespaces and attaches probes"),
    ("test_trace_errors.py::*", "attaches probes of processes"),
    ("test_examples_packets.py::*", "makes network namespaces"),
    ("test_examples_functions.py::*", "makes network namespaces and attaches probes"),
    ("test_examples*.py::*", "makes network namespaces and attaches probes"),
    ("test_losses.py::*", "attaches probes of processes"),
    ("test_flood.py::*", "attaches probes of processes"),
    ("test_events.py::*", "attaches programs to tracepoints"),
    ("test_sockets.py::test_what_is_stored_*", "makes cgroups"),
    ("test_sockets.py::test_answers_at_every_event", "makes cgroups"),
    ("test_sockets.py::test_a_socket_is_chosen", "makes network namespaces"),
    ("test_user_rings.py::test_messages_while_attached", "attaches probes of processes"),
    ("test_tasks.py::*", "attaches probes of tracefs and samples"),
    ("test_capabilities.py::*", "becomes another user"),
    ("test_core.py::test_externs_are_bound_as_libbpf_does", "has libbpf list BTF by id"),
    ("test_features.py::*those_of_bpftool", "runs bpftool in a mount namespace"),
    ("test_lines.py::test_bpftool_shows_lines_of_python", "has bpftool open programs by id"),
    ("test_map_fuzz.py::test_operations_agree_with_the_kernel[*hash*]", SEED),
    ("test_map_fuzz.py::test_operations_agree_with_the_kernel[*_of_maps]", SEED),
    ("test_map_fuzz.py::test_every_tier_agrees_with_the_kernel", SEED),
    ("test_map_types.py::test_declarations", SEED),
    ("test_map_types_answers.py::test_the_kernel_answers_as_the_file_says", SEED),
    ("test_map_types_elements.py::*[*-0x4?-*]", SEED),
    ("test_map_types_fields.py::test_user_space_neither_sees_nor_sets_them[*hash-*]", SEED),
    ("test_map_types_references.py::test_maps_of_maps_answer_as_the_kernels_do[*hash*]", SEED),
    ("test_map_views.py::test_maps_in_maps_are_tables", IDS),
    ("test_objects.py::*", "mounts a bpffs"),
)


def needed(test: str) -> str | None:
    """Why a test takes CAP_SYS_ADMIN, or None. test: file::test[parameters]."""
    pattern = test.replace("[", "(")  # a bracket means something in patterns
    return next((why for known, why in NEEDED if fnmatchcase(pattern, known.replace("[", "("))), None)
