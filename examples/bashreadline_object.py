"""What is typed into shells, as it is typed: this user half is over a kernel half in C, c/bashreadline.c.

bpfvm trace examples/bashreadline_object.py; without a user half: bpfvm trace --object examples/c/bashreadline.o
"""

import time
from pathlib import Path

from bpfvm import PerfEvents, char, load, struct, u32


@struct
class Line:
    pid: u32
    text: char[80]


shells = load(str(Path(__file__).with_name("c") / "bashreadline.o"))
lines = PerfEvents(Line)


if __name__ == "__main__":
    with shells.attach(maps={"events": lines}):
        print(f"{'TIME':9} {'PID':7} COMMAND")
        for e in lines:
            print(f"{time.strftime('%H:%M:%S'):9} {e.pid:<7} {e.text.decode(errors='replace')}")
