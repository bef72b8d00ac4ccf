"""Programs in Python and in C, of equal maps and equal behaviour: what bpfvm and clang make of them.

`python -m benchmarks corpus` prints the table, `python -m benchmarks.corpus` writes it to table.txt as well. The
verifier's figures need root.
"""


def main() -> None:
    """Print the table."""
    from benchmarks.corpus.measure import main

    main()
