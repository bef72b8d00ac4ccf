"""The context of a program whose type has none with fields."""

# hook: tracepoint sched:sched_switch


def program(ctx):
    return ctx.pid  #~ E037 the context of a tracepoint program has no fields, so no `pid`
