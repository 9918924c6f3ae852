"""Settings of all tests."""

from hypothesis import settings

# A busy machine takes longer than Hypothesis's 200 ms for an example, and that says nothing about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
