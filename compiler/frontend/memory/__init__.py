"""Memory of the program's own: structs, arrays, constants, and places to store to."""
