"""Names: what they are bound to, and objects that are known when a program is compiled."""
