"""Events with their times, over programs that trace: a tracer's test without root and without Linux.

    bash, idle = Task(7, "bash"), Task(0, "swapper/0")
    script = Timeline(runqlat)                       # the programs of a module, or some by themselves
    script.at(0, "sched_wakeup", bash)
    script.at("250us", "sched_switch", prev=idle, next=bash)
    seen = script.check()                            # on every machine, compared; run() is on one
    assert seen.counted("dist") == {8: 1}

Each event runs the programs that are attached to what it names, in their order, in its task, on the virtual clock. Maps
keep what they hold from event to event. Nothing is attached, and no kernel is asked: events of a kernel are its own.
"""

from __future__ import annotations

from bpfvm.lang.traced.task import Task
from bpfvm.timeline.script import Timeline
from bpfvm.timeline.seen import Ran, Seen

__all__ = ["Ran", "Seen", "Task", "Timeline"]
