"""ObjectSpec into ELF objects that other loaders and tools take."""
