"""What can be expected to go wrong, each with the exit code that tells Airflow what to do."""

DONE = 0
DATA_FAILURE = 1
USAGE = 64
PASSING = 75
NOTHING_TO_DO = 99
TERMINATED = 143


class SparkifyError(Exception):
    """An expected failure: one line that says what happened, where, and what to do."""

    exit_code = DATA_FAILURE


class DataError(SparkifyError):
    """The data or the tables are wrong: retrying will not help."""

    exit_code = DATA_FAILURE


class UsageError(SparkifyError):
    """The command line or the settings are wrong: retrying will not help."""

    exit_code = USAGE


class PassingError(SparkifyError):
    """A failure that may pass by itself: retry the step."""

    exit_code = PASSING


class NothingToDo(SparkifyError):
    """There is nothing to do: Airflow marks the task as skipped."""

    exit_code = NOTHING_TO_DO


class Terminated(BaseException):
    """SIGTERM arrived. Not an Exception, so that nothing catches it by accident."""
