"""What an object leaves open for the kernel that it is to run on: CO-RE relocations, externs, configuration."""
