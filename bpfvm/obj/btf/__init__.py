"""The types of an object or a kernel (BTF): as data, as bytes, as text, and indexes of large ones."""
