"""The instruction set: the table, instructions, their bytes and their text."""
