"""Subcommands of `visualccc`, one module per room; `cli` puts them together."""
