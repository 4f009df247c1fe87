"""Networks: the only room where PyTorch is imported at the top of a file."""
