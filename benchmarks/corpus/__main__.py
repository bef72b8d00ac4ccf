"""Print the table of the corpus and write it to table.txt."""

from benchmarks.corpus.manifest import ROWS
from benchmarks.corpus.measure import TABLE, measured, table

if __name__ == "__main__":
    text = "\n".join(table([measured(row) for row in ROWS])) + "\n"
    TABLE.write_text(text)
    print(text, end="")
