"""Byte-level BPE: special tokens, training, encoding of documents to token files."""
