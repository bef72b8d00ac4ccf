"""Plain Python functions, read from their text, to IR."""
