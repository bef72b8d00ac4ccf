"""Programs on their way into the kernel, what it lacks of them, and why it refused one."""
