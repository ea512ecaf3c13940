"""What every resource can do."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from sparkify_aws.account import TAG, Account


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

    def __init__(self, account: Account, name: str) -> None:
        self.account = account
        self.name = name

    @abstractmethod
    def look(self) -> Found:
        """What is there now. Changes nothing."""

    @abstractmethod
    def make(self) -> None:
        """Bring it from whatever is there, if it is ours, to what is wanted, and wait until it can be used.

        May be interrupted after any call, and called again.
        """

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
