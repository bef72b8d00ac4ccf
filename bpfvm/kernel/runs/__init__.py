"""Runs of loaded programs by BPF_PROG_TEST_RUN."""
