"""Control: where ways part and meet, loops, sections, and what holds on the way."""
