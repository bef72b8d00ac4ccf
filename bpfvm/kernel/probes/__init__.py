"""What the kernel can do, found by doing it."""
