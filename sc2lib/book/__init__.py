"""The book: puts the executed chapters of a run between the prose pages and builds the HTML."""

from sc2lib.book.builder import build

__all__ = ["build"]
