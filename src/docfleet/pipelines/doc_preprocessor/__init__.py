"""Document preprocessing: pages turned upright and made flat. A pipeline of its own, and the first step of others."""
