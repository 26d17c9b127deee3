"""Curation: from every file of the archive to the files worth training on."""
