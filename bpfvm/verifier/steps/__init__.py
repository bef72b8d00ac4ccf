"""What one instruction does to a state."""
