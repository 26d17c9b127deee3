"""From files to training documents: repository context, fill-in-the-middle, mixture."""
