"""Debian's kernels under qemu: the tests of this folder's parent where this machine's own kernel cannot run them."""
