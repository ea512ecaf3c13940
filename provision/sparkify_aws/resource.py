"""What every resource can do."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from sparkify_aws.account import TAG, Account
from sparkify_aws.errors import AwsError


class Standing(Enum):
    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "someone else's"  # has our name, and not our tag


@dataclass(frozen=True)
class Found:
    """What is there: whose it is, and in what it differs from what is wanted."""

    standing: Standing
    differences: tuple[str, ...] = ()

    @property
    def is_as_wanted(self) -> bool:
        return self.standing is Standing.OURS and not self.differences


ABSENT = Found(Standing.ABSENT)
GOING = Found(Standing.ABSENT, ("AWS removes it",))


class Resource(ABC):
    """One thing in AWS, found by its name and its tag: no file remembers it."""

    kind: ClassVar[str]

    def __init__(self, account: Account, name: str, arn: str | None = None) -> None:
        self.account = account
        self.name = name
        # What AWS's list of tagged things calls it: known from its name, or from when it was seen.
        self.arns = set() if arn is None else {arn}

    @abstractmethod
    def look(self) -> Found:
        """What is there now. Changes nothing."""

    def make(self) -> None:
        """Bring it from whatever is there, if it is ours, to what is wanted, and wait until it can be used.

        May be interrupted after any call, and called again.

        Raises:
            AwsError: it is someone else's by now; or AWS refuses.
        """
        if self._ours() == GOING:
            self.account.wait(f"{self} goes first", lambda: self.look() != GOING)
        self._make(self._ours())

    @abstractmethod
    def _make(self, found: Found) -> None:
        """`found`: what is there, which is ours or nothing."""

    def _ours(self) -> Found:
        """What is there now. Raises AwsError: it is someone else's."""
        found = self.look()
        if found.standing is Standing.FOREIGN:
            raise AwsError(f"{self} is someone else's: choose another prefix")
        return found

    @abstractmethod
    def remove(self) -> None:
        """Remove it and wait until it is gone. It is ours, or on its way out: the caller has looked."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def found(self, tags: Mapping[str, str], differences: Iterable[str] = ()) -> Found:
        if tags.get(TAG) != self.account.settings.prefix:
            return Found(Standing.FOREIGN)
        return Found(Standing.OURS, tuple(differences))


def tags_of(listed: Iterable[Mapping[str, str]], key: str = "Key", value: str = "Value") -> dict[str, str]:
    return {each[key]: each[value] for each in listed}


def canonical(policy: Any) -> Any:
    """The policy in a form in which two that mean the same are equal: AWS may make one of a list of one."""
    if isinstance(policy, Mapping):
        return {key: canonical(value) for key, value in policy.items()}
    if isinstance(policy, (list, tuple)):
        parts = [canonical(each) for each in policy]
        if len(parts) == 1:
            return parts[0]
        return sorted(parts) if all(isinstance(each, str) for each in parts) else parts
    return policy
