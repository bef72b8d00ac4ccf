"""What is said of a program: verdicts, logs, explanations, repairs."""
