"""What an ELF object for BPF is made of, whether it is read or written."""
