"""The context where a number is wanted."""

# hook: xdp


def program(ctx):
    x = ctx + 1  #~ E022 `+` takes numbers, and `ctx` is the program's
    return ctx  #~ E024 a program returns a number, and `ctx` is the
