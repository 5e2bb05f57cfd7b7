"""The commands. This room knows every other; none knows it."""
