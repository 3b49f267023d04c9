"""The ``backstay`` command; each subject has a file of its own here."""
