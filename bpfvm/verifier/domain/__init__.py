"""What is known of registers, stack slots and references at one point of one path."""
