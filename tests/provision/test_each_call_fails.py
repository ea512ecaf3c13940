"""Each call of `up` and `down` is made to fail once in each way, on what the failures before it have left.

A call that only reads is refused. One that changes something is refused, too: AWS is busy, forbids it, or the
login has expired; or it is done and its answer is lost, or the caller interrupts: nobody knows what is there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.provision.aws import Aws, Call, Refusal, lost, state
from tests.provision.conftest import Command

# make faults: 1, each call in each way; else a sample, for there are hundreds of them and each is a command.
# No multiple of the number of ways, so that the sample has all of them.
EVERY = int(os.environ.get("FAULTS_EVERY", "19"))


@dataclass(frozen=True)
class _Way:
    """How a call fails, and the exit code that this has."""

    name: str
    code: int
    fail: Callable[[Call], None]
    is_done: bool = False  # the call, before it fails


def _refuse(code: str, status: int) -> Callable[[Call], None]:
    def fail(_: Call) -> None:
        raise Refusal(code, status=status)

    return fail


def _interrupt(_: Call) -> None:
    raise KeyboardInterrupt


# What is done once is not done again, so there is one way in each that lets a call be done.
WAYS = {
    "busy, forbidden and lost": (
        _Way("busy", 75, _refuse("ThrottlingException", 429)),
        _Way("forbidden", 64, _refuse("AccessDenied", 403)),
        _Way("lost", 75, lost, is_done=True),
    ),
    "expired and interrupted": (
        _Way("expired", 64, _refuse("ExpiredToken", 400)),
        _Way("interrupted", 130, _interrupt, is_done=True),
    ),
}


class _EachOnce:
    """Lets a run fail at its first call that is due and has not failed yet in some way."""

    def __init__(self, aws: Aws, ways: tuple[_Way, ...]) -> None:
        self._ways = ways
        self.considered: set[tuple[str, str]] = set()  # way and call
        self.failed: list[tuple[str, str]] = []
        self._failing: _Way | None = None
        aws.faults.before = lambda call: self._meet(call, is_done=False)
        aws.faults.after = lambda call: self._meet(call, is_done=True)

    def runs(self) -> Iterator[None]:
        """One for each call that fails, and one that nothing stops."""
        while True:
            self._failing = None
            yield
            if not self._failing:
                return

    @property
    def code(self) -> int:
        return self._failing.code if self._failing else 0

    def _meet(self, call: Call, is_done: bool) -> None:
        # What reads is the same code for each thing of a kind.
        ways, name = (self._ways[:1], call.operation) if call.is_reading else (self._ways, str(call))
        for way in ways:
            if self._failing or way.is_done != is_done or (way.name, name) in self.considered:
                continue
            self.considered.add((way.name, name))
            if len(self.considered) % EVERY == 0:
                self.failed.append((way.name, name))
                self._failing = way
                way.fail(call)


def _changing(aws: Aws) -> set[str]:
    return {call.operation for call in aws.faults.calls if not call.is_reading}


@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("warehouse", ["serverless", "provisioned"])
def test_however_a_call_fails_the_next_command_goes_on_to_the_same_end(
    aws: Aws, command: Command, warehouse: str, ways: tuple[_Way, ...]
) -> None:
    command.set(warehouse=warehouse)
    command("up")
    wanted = state(aws)
    command("down", "--yes")
    nothing = state(aws)
    changing = _changing(aws)

    each = _EachOnce(aws, ways)
    for arguments, end in ((("up",), wanted), (("down", "--yes"), nothing)):
        for _ in each.runs():
            code, said = command.ended(*arguments)
            assert code == each.code, said
            assert (len(said.splitlines()[-1:]), "Traceback" in said) == (1, False)
        assert state(aws) == end

    assert len(each.failed) == len(each.considered) // EVERY
    assert {way for way, _ in each.failed} == {way.name for way in ways}
    for way in ways:
        assert {name.split()[0] for of, name in each.considered if of == way.name} >= changing, way.name
