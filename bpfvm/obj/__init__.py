"""Objects as pure data, and the files they come from: ELF, BTF, captures."""
