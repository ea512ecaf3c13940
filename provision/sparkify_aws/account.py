"""The AWS account that a command works in: its clients, and what is there before us."""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from sparkify_aws.errors import PassingError, UsageError, code
from sparkify_aws.settings import Settings

# Whatever has this tag with the prefix as its value is ours.
TAG = "sparkify:stack"


class Account:
    """One caller's view of one account in one region."""

    def __init__(self, session: boto3.Session, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.say = say
        self.notes: list[str] = []  # what is to be told at the end
        self._session = session
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service, region_name=self.settings.region, config=Config(retries={"mode": "standard"})
            )
        return self._clients[service]

    def check(self) -> None:
        """Before anything is looked at: the region, the caller and the cluster.

        Raises:
            UsageError: one of them is wrong.
        """
        if not self.offers("redshift"):
            raise UsageError(f"region = {self.settings.region!r}: Redshift is in no such region")
        if len(self.zones) < 3 and self.settings.warehouse == "serverless":
            # Redshift Management Guide, serverless-usage-considerations.
            raise UsageError(
                f"Redshift Serverless needs subnets in three availability zones, and "
                f"{', '.join(self.subnets)} are in {', '.join(sorted(self.zones))}; set subnets"
            )

    def offers(self, service: str) -> bool:
        """Whether the region has the service, as far as boto3 knows."""
        return any(
            self.settings.region in self._session.get_available_regions(service, partition_name=partition)
            for partition in self._session.get_available_partitions()
        )

    def name(self, what: str) -> str:
        return f"{self.settings.prefix}-{what}"

    def bucket(self, what: str) -> str:
        """Buckets' names are the world's, so ours have the account and the region."""
        return f"{self.settings.prefix}-{what}-{self.id}-{self.settings.region}"

    def tags(self, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
        return [{key: TAG, value: self.settings.prefix}]

    @cached_property
    def _caller(self) -> Mapping[str, str]:
        answer: Mapping[str, str] = self.client("sts").get_caller_identity()
        return answer

    @property
    def id(self) -> str:
        return self._caller["Account"]

    @property
    def partition(self) -> str:
        return self._caller["Arn"].split(":")[1]

    def arn(self, service: str, resource: str, region: str | None = None) -> str:
        where = self.settings.region if region is None else region
        return f"arn:{self.partition}:{service}:{where}:{self.id}:{resource}"

    def role_arn(self, what: str) -> str:
        return self.arn("iam", f"role/{self.name(what)}", region="")

    @cached_property
    def _cluster(self) -> Mapping[str, Any]:
        name, region = self.settings.cluster, self.settings.region
        found = absent_if(lambda: self.client("eks").describe_cluster(name=name), "ResourceNotFoundException")
        if found is None:
            raise UsageError(f"there is no EKS cluster {name} in {region}: check cluster and region")
        cluster: Mapping[str, Any] = found["cluster"]
        return cluster

    @property
    def vpc(self) -> str:
        return str(self._cluster["resourcesVpcConfig"]["vpcId"])

    @property
    def issuer(self) -> str:
        """The cluster's OpenID Connect issuer, without https://."""
        return str(self._cluster["identity"]["oidc"]["issuer"]).removeprefix("https://")

    @property
    def node_security_groups(self) -> tuple[str, ...]:
        # EKS puts every managed node into the cluster's own group (EKS User Guide, sec-group-reqs).
        own = self._cluster["resourcesVpcConfig"]["clusterSecurityGroupId"]
        return self.settings.node_security_groups or (str(own),)

    @property
    def subnets(self) -> tuple[str, ...]:
        return self.settings.subnets or tuple(sorted(self._cluster["resourcesVpcConfig"]["subnetIds"]))

    @cached_property
    def zones(self) -> frozenset[str]:
        answer = self.client("ec2").describe_subnets(SubnetIds=list(self.subnets))
        return frozenset(each["AvailabilityZone"] for each in answer["Subnets"])

    def wait(self, what: str, is_done: Callable[[], bool]) -> None:
        """Ask until it is done.

        Raises:
            PassingError: it takes longer than wait_minutes.
        """
        until = time.monotonic() + self.settings.wait_minutes * 60
        while not is_done():
            if time.monotonic() > until:
                raise PassingError(
                    f"{what} is not done after {self.settings.wait_minutes:g} minutes; "
                    "type the same command again"
                )
            self.say(what)
            time.sleep(self.settings.poll_seconds)

    def tries(self, what: str) -> Iterator[int]:
        """A try now, and 12 more, poll_seconds apart, for what one part of AWS knows later than another.

        Counts down: the last is 0.
        """
        for left in range(12, 0, -1):
            yield left
            self.say(what)
            time.sleep(self.settings.poll_seconds)
        yield 0

    def once_role_is_known(self, call: Callable[[], Any]) -> Any:
        """Call until AWS knows a role that was just made, which takes seconds (IAM User Guide,
        troubleshoot_general: eventual consistency)."""
        for left in self.tries("IAM makes the new role known"):
            try:
                return call()
            except ClientError as error:
                if not left or code(error) not in _UNKNOWN_ROLE or "role" not in str(error).lower():
                    raise
        return None


_UNKNOWN_ROLE = {"ValidationException", "InvalidParameterException", "InvalidParameterValue"}


def absent_if(call: Callable[[], Any], *codes: str) -> Any:
    """What the call answers, or None if AWS says one of these codes: there is no such thing."""
    try:
        return call()
    except ClientError as error:
        if code(error) in codes:
            return None
        raise
