"""One module per inference engine: load a network's file, run arrays through it."""
