"""Machine code: made by LLVM, kept, laid into memory."""
