"""What is typed into shells, as it is typed.

bpfvm trace examples/bashreadline.py
"""

import time

from bpfvm import Ring, UserPtr, bpf, char, comm, pid, struct, u32


@struct
class Line:
    pid: u32
    text: char[80]


lines = Ring(Line)


@bpf.uretprobe("/bin/bash:readline")
def readline(ret: UserPtr[char]):
    if ret and comm() == "bash":
        lines.submit(Line(pid=pid(), text=ret))  # the text of the process up to its NUL


if __name__ == "__main__":
    with bpf.attach(readline):
        print(f"{'TIME':9} {'PID':7} COMMAND")
        for e in lines:
            print(f"{time.strftime('%H:%M:%S'):9} {e.pid:<7} {e.text.decode(errors='replace')}")
