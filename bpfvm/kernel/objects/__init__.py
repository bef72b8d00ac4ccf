"""Whole objects in the kernel: loaded to be run, installed to stay, pinned."""
