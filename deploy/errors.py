"""What can be expected to go wrong, each with the exit code of `python -m deploy`."""


class DeployError(Exception):
    """An expected failure: one line that says what happened and what to do."""

    exit_code = 1


class UsageError(DeployError):
    """What was asked for cannot be done: a wrong option or setting."""

    exit_code = 64
