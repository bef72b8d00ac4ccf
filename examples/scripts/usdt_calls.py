"""Two processes that call methods.

$ bpfvm trace --timeline examples/scripts/usdt_calls.py examples/usdt_calls.py
PID     CLASS            CALL
7       Shop             sell(...)
9       Shop::Till       open(...)
7       Shop             close(...)
"""

from bpfvm.timeline import Task

ONE, OTHER = Task(7, "ruby"), Task(9, "ruby")


def script(timeline):
    timeline.at(1, "ruby:method__entry", "Shop", "sell", by=ONE)
    timeline.at(2, "ruby:method__entry", "Shop::Till", "open", by=OTHER)
    timeline.at(3, "ruby:method__entry", "Shop", "close", by=ONE)
