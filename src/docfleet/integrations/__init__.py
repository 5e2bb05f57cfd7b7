"""Other libraries behind our interfaces. `providers` finds a pipeline by name, whoever provides it."""
