"""What all tests share."""

from hypothesis import settings

# A busy machine makes any deadline fail; the timeout of pytest catches what hangs.
settings.register_profile("book", deadline=None)
settings.load_profile("book")
