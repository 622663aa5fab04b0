"""Benchmarks: what a patch costs beside a full write, how that grows with the state, and how fast workflows run."""
