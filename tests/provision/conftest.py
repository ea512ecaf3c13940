"""An account with an EKS cluster and nothing of ours, for each test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from moto import mock_aws
from moto.server import ThreadedMotoServer

from helm.render import program, without_dependency
from sparkify_aws import cli
from tests.provision.aws import CLUSTER, REGION, Aws, Session

SETTINGS = {"region": REGION, "cluster": CLUSTER, "poll_seconds": 0, "wait_minutes": 0.2}


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """moto's server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def session() -> Session:
    return Session()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, session: Session) -> Iterator[Aws]:
    """An account that is empty but for its cluster, in this process: a call takes milliseconds."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # it takes longer than a test
    with mock_aws():
        yield Aws(None, session)


@pytest.fixture
def served(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """The same, asked over HTTP."""
    with urlopen(Request(f"{endpoint}/moto-api/reset", method="POST")):
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Aws(endpoint, Session())


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart, our own templates only."""
    if program() is None:
        pytest.skip("helm is not installed")
    return without_dependency(tmp_path_factory.mktemp("alone"))


class Command:
    """`sparkify-aws` with a file of settings, in this process."""

    def __init__(self, aws: Aws, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._aws = aws
        self._file = folder / "aws.toml"
        self._capsys = capsys
        self.set()

    def set(self, **settings: Any) -> None:
        lines = [f"{key} = {_toml(value)}" for key, value in {**SETTINGS, **settings}.items()]
        self._file.write_text("\n".join(lines))

    def ended(self, *arguments: str) -> tuple[int, str]:
        """Run it; returns its exit code and what it said, both outputs one after the other."""
        self._capsys.readouterr()
        code = cli.main([*arguments, "--settings", str(self._file)], self._aws.session)
        out, log = self._capsys.readouterr()
        return code, out + log

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run it, which ends with this code; returns what it said."""
        ended, said = self.ended(*arguments)
        assert ended == code, f"exit code {ended}: {said}"
        return said

    def error(self, *arguments: str, code: int) -> str:
        """Run it, which fails; returns its last line."""
        return self(*arguments, code=code).strip().splitlines()[-1]


@pytest.fixture
def command(aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(aws, tmp_path, capsys)


def _toml(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml(each) for each in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value)
