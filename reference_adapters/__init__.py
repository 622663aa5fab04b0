"""Adapters for real backends, each written with the public names only."""
