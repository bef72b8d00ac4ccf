"""Methods that a Ruby process calls, by the probe that its interpreter declares; -p of one process.

bpfvm trace examples/usdt_calls.py -p 1234 /usr/bin/ruby
"""

import argparse
from pathlib import Path

from bpfvm import Ring, UserPtr, bpf, char, pid, struct, u32

ap = argparse.ArgumentParser()
ap.add_argument("-p", "--pid", type=int)
ap.add_argument("--probe", default="ruby:method__entry", help="provider:name")
ap.add_argument("file", nargs="?", default=str(Path(__file__).with_name("c") / "server"), help="that declares it")
args = ap.parse_args()


@struct
class Call:
    pid: u32
    owner: char[32]
    method: char[64]


calls = Ring(Call)


@bpf.usdt(f"{args.file}:{args.probe}")
def entered(owner: UserPtr[char], method: UserPtr[char]):
    calls.submit(Call(pid=pid(), owner=owner, method=method))


if __name__ == "__main__":
    with bpf.attach(entered, pid=args.pid):
        print(f"{'PID':7} {'CLASS':16} CALL")
        for e in calls:
            print(f"{e.pid:<7} {e.owner.decode():16} {e.method.decode(errors='replace')}(...)")
