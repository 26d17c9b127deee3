"""StarCoder2 and The Stack v2, rebuilt step by step: the library behind the book."""

__version__ = "0.1.0"
