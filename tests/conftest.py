"""Settings for all tests: none depends on the machine's speed or on chance."""

from hypothesis import settings

# A deadline would be an assertion on absolute time. `--hypothesis-profile=explore` draws anew.
settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("fixed")
