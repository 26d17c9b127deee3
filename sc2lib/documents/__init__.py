"""Documents that are not plain source files: notebooks and documentation."""
