"""What programs call of the kernel: helpers, kernel functions, and the sections and operations made of them."""
