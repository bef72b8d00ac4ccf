"""Maps in the kernel: made, filled, read element by element, in batches, and as their users see them."""
