"""The warehouse: what both kinds of Redshift have in common for who uses one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sparkify_aws.resource import Resource


@dataclass(frozen=True)
class Endpoint:
    """Where the warehouse is; `secret` has the owner's password, which Redshift makes and renews."""

    host: str
    port: int
    arn: str
    secret: str


class Warehouse(ABC):
    """One kind of Redshift."""

    service: ClassVar[str]  # as boto3 calls it

    @property
    @abstractmethod
    def resources(self) -> list[Resource]:
        """What it consists of, in the order of making."""

    @abstractmethod
    def endpoint(self) -> Endpoint | None:
        """None: it is not there, or not ready."""

    @property
    @abstractmethod
    def target(self) -> Mapping[str, str]:
        """How the Data API calls it."""

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, str]:
        """What tells a worker to log in to it by IAM."""

    @abstractmethod
    def login(self) -> list[dict[str, Any]]:
        """What a role needs to be allowed to log in; empty as long as there is no warehouse."""

    @abstractmethod
    def tags(self) -> Mapping[str, str]: ...

    @abstractmethod
    def tag(self, key: str, value: str) -> None: ...
