"""Trained networks: what a model is, how it is kept in a file, and (in `nn`) how it is trained and run."""
