"""Types of values: numbers, structs, arrays, pointers, and the kernel's own."""
