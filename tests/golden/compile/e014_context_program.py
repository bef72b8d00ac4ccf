"""A program with a context takes nothing else."""


def program(ctx, mode):  # hook: xdp  #~ E014 takes one parameter, its context, or none
    return 2
