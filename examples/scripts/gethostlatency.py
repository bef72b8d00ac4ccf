"""Two names that are looked up at once, one of a process that asks for a port alone before.

$ bpfvm trace --timeline examples/scripts/gethostlatency.py examples/gethostlatency.py
TIME      PID     COMM                LAT(ms) HOST
00:00:01  9       ping                   2.50 localhost
00:00:01  7       curl                  40.00 www.example.org
"""

from bpfvm.timeline import Task

CURL, PING = Task(7, "curl"), Task(9, "ping")


def script(timeline):
    timeline.at("1s", "c:getaddrinfo", None, by=PING, ret=0, took="1us")
    timeline.at("1100ms", "c:getaddrinfo", "www.example.org", by=CURL, ret=0, took="40ms")
    timeline.at("1101ms", "c:gethostbyname", "localhost", by=PING, ret=0x5000, took="2500us")
