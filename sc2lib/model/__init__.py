"""The model: one configuration, one single-device transformer, its attention and its generation."""
