"""Look-ups and changes of maps as LLVM IR, over the layouts of emulator.maps."""
