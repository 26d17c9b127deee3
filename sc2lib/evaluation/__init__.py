"""Evaluation: code generation in a sandbox, infilling, compression, and what a run cost."""
