"""Each call of `up` and `down` is made to fail once, on what the failures before it have left.

A call that only reads is refused. One that changes something is done, and its answer is lost: the caller does
not know what is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.provision.aws import Aws, Call, Refusal, lost, state
from tests.provision.conftest import Command

# make faults: 1, each call; else a sample, for there are a hundred of them and each is a command
EVERY = int(os.environ.get("FAULTS_EVERY", "25"))


class _EachOnce:
    """Lets a run fail at its first call that has not failed yet."""

    def __init__(self, aws: Aws) -> None:
        self._calls = 0
        self.failed: set[str] = set()
        self._failing = ""
        aws.faults.before = self._before
        aws.faults.after = self._after

    def runs(self) -> Iterator[None]:
        """One for each call that fails, and one that nothing stops."""
        while True:
            self._failing = ""
            yield
            if not self._failing:
                return

    @property
    def code(self) -> int:
        return 75 if self._failing else 0

    def _before(self, call: Call) -> None:
        # What reads is the same code for each thing of a kind.
        if call.is_reading and not self._failing and call.operation not in self.failed:
            self.failed.add(call.operation)
            if not self._is_due():
                return
            self._failing = call.operation
            raise Refusal("ThrottlingException", status=429)

    def _after(self, call: Call) -> None:
        if not call.is_reading and not self._failing and str(call) not in self.failed:
            self.failed.add(str(call))
            if not self._is_due():
                return
            self._failing = str(call)
            lost(call)

    def _is_due(self) -> bool:
        self._calls += 1
        return self._calls % EVERY == 0


@pytest.mark.parametrize("warehouse", ["serverless", "provisioned"])
def test_whatever_call_fails_the_next_command_goes_on_to_the_same_end(
    aws: Aws, command: Command, warehouse: str
) -> None:
    command.set(warehouse=warehouse)
    command("up")
    wanted = state(aws)
    command("down", "--yes")
    nothing = state(aws)

    each = _EachOnce(aws)
    for _ in each.runs():
        code, said = command.ended("up")
        assert code == each.code, said
    assert state(aws) == wanted
    assert len(each.failed) > 40

    for _ in each.runs():
        code, said = command.ended("down", "--yes")
        assert code == each.code, said
    assert state(aws) == nothing
