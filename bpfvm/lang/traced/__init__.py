"""What a traced event is made of, offline: tasks with their stacks, objects of the kernel, texts of a process, and the
contexts that programs get of them."""
