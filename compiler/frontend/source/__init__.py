"""The function's text: found, proved to be what runs, and places in it."""
