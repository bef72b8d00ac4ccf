"""The Python-source tier: each function of a program as a Python function, made once and compiled by CPython itself."""
