"""The archive: sources, Software Heritage identifiers, the graph tables, and the walk from origins to files."""
