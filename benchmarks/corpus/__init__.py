"""The corpus: programs in Python and in C, of equal maps and equal behaviour; what each compiler makes of them."""
