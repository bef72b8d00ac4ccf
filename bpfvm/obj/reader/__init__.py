"""ELF objects for BPF, from any compiler, into ObjectSpec."""
