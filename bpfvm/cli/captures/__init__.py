"""What `bpfvm run` does with captures besides running them one after another: spreading them, checking samples."""
