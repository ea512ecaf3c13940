"""The worker's command line, run in this process against the test's own database."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from redshift_sandbox import Endpoint
from sparkify import cli


@dataclass(frozen=True)
class Outcome:
    code: int
    log: str
    out: str


@pytest.fixture
def sparkify(
    sandbox: Endpoint, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Runs a command as `sparkify` does, less the time that a new process takes."""
    for name, value in sandbox.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SPARKIFY_WAREHOUSE_DATABASE", database)
    monkeypatch.setenv("SPARKIFY_SOURCE", "s3://source")
    monkeypatch.setenv("SPARKIFY_STAGING", "s3://staging")
    monkeypatch.setenv("SPARKIFY_COPY_ROLE", "default")

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        captured = capsys.readouterr()
        return Outcome(int(str(ended.value.code)), captured.err, captured.out)

    return run
