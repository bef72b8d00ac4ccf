"""Passes over the IR: each keeps the meaning of a function and every rule of ir.check."""
