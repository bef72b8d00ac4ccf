"""The native tier: programs as machine code of the host, made by LLVM over the emulator's own memory."""
