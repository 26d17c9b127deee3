"""Benchmarks against other implementations: ratios on the same input in one run, never part of the tests."""
