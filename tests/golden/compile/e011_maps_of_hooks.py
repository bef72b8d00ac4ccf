"""Maps that are used by helpers which not all programs may call."""

# hook: flow_dissector
from bpfvm import DevMap, PerfEvents, StackTrace, bpf, u32

old = PerfEvents(u32)
devs = DevMap(4)
stacks = StackTrace(4)


def program(ctx):
    old.submit(5)  #~ E011 `old` is PerfEvents, which programs of type flow_dissector cannot use
    old.output(b"end")  #~ E011 `old` is PerfEvents, which programs of type flow_dissector cannot use
    a = devs.redirect(1, 0)  #~ E011 `devs` is DevMap, which programs of type flow_dissector cannot use
    c = stacks.id()  #~ E011 `stacks` is StackTrace, which programs of type flow_dissector cannot use
    return 0
