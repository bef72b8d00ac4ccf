"""Captures in one loop of compiled code: the loop, what contexts say of a packet, the pages of files, threads."""
