"""The context of a program whose type has none with fields."""

# hook: lirc_mode2


def program(ctx):
    return ctx.pid  #~ E037 the context of a lirc_mode2 program has no fields, so no `pid`
