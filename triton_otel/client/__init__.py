"""The clients: a face without I/O, one core for equal settings, thin shells."""
