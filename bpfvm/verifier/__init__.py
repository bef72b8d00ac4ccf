"""The kernel's verifier, offline: its walk path by path, its domains, its pruning, its words (Linux 6.18, privileged).

`verify` answers accept, reject or undecided; what the model does not know is undecided and named, never guessed.
"""
