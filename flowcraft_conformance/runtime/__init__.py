"""The reference runtime: in-process flow runtime and base distributed adapter."""
