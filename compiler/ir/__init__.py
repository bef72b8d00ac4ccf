"""The compiler's intermediate representation: typed SSA over 64-bit words, with block parameters."""
