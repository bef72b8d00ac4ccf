"""Random Python functions, compiled and run on every machine; the compiler on any source whatever."""
