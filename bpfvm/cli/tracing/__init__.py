"""What `bpfvm trace` is made of: tools that are run as they are, and the user half for programs without one."""
