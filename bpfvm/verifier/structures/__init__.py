"""Structures of the kernel's and of programs: types, fields, locks, lists."""
