"""Calls that Python refuses."""

from bpfvm import u32


def scaled(value, by=2):
    return value * by


def program(a: u32) -> u32:
    x = scaled()  #~ E013 `scaled`: missing a required argument: 'value'
    y = scaled(a, 3, 4)  #~ E013 `scaled`: too many positional arguments
    z = scaled(a, of=3)  #~ E013 `scaled`: got an unexpected keyword argument
    return u32(scaled(a, by=3, value=4))  #~ E013 `scaled`: multiple values for argument 'value'
