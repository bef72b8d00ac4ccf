"""Facts about the kernel, one row each: helpers, map types, program types, contexts."""
