from hypothesis import settings

settings.register_profile("curation", deadline=None)  # a shared machine is slow at times
settings.load_profile("curation")
