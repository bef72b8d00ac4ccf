"""Members of the kernel's structures whose pointers are trusted as the object is that they are loaded from (6.18)."""

from __future__ import annotations

from collections.abc import Mapping

# (structure, member) -> what the pointer is, "null" behind it where it may be. Measured by loads of every pointer in
# the arguments of all tracepoints and iterators
SAFE: Mapping[tuple[str, str], str] = {
    ("bpf_iter_meta", "seq"): "trusted_",
    ("dentry", "d_inode"): "trusted_null",
    ("file", "f_inode"): "trusted_",
    ("linux_binprm", "file"): "trusted_",
    ("mm_struct", "exe_file"): "rcu_null",
    ("request_sock", "sk"): "rcu_null",
    ("sk_buff", "sk"): "rcu_null",
    ("cgroup", "kn"): "rcu_",
    ("css_set", "dfl_cgrp"): "rcu_",
    ("task_struct", "cgroups"): "rcu_",
    ("task_struct", "cpus_ptr"): "rcu_",
    ("task_struct", "group_leader"): "rcu_",
    ("task_struct", "real_parent"): "rcu_",
}
