"""What can be expected to go wrong on a laptop, each with the exit code of `python -m laptop`."""


class LaptopError(Exception):
    """An expected failure: one line that says what happened and what to do."""

    exit_code = 1


class UsageError(LaptopError):
    """What was asked for cannot be done: a wrong day, folder or option."""

    exit_code = 64
