"""The CPython machine: the user's function itself, over the emulator's memory and maps."""
