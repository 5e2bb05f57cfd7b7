"""One module per pipeline: which stages, in which order, for a batch of pages."""
