"""The warehouse's security group: its port is open to the cluster's nodes, and to nothing else."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from sparkify_aws.account import Account
from sparkify_aws.errors import code
from sparkify_aws.resource import ABSENT, Found, Resource, Standing, tags_of

PORT = 5439


class SecurityGroup(Resource):
    kind = "security group"

    def __init__(self, account: Account) -> None:
        super().__init__(account, account.name("warehouse"))

    @property
    def _ec2(self) -> Any:
        return self.account.client("ec2")

    def _group(self) -> Mapping[str, Any] | None:
        wanted = {"group-name": self.name, "vpc-id": self.account.vpc}
        answer = self._ec2.describe_security_groups(
            Filters=[{"Name": name, "Values": [value]} for name, value in wanted.items()]
        )
        return answer["SecurityGroups"][0] if answer["SecurityGroups"] else None

    @property
    def id(self) -> str | None:
        group = self._group()
        return str(group["GroupId"]) if group else None

    def look(self) -> Found:
        group = self._group()
        if group is None:
            return ABSENT
        self.arns.add(self.account.arn("ec2", f"security-group/{group['GroupId']}"))
        open_to = _open_to(group)
        differences = [f"open to {each}" for each in sorted(open_to - self._wanted)]
        differences += [f"closed to {each}" for each in sorted(self._wanted - open_to)]
        return self.found(tags_of(group.get("Tags", [])), differences)

    @property
    def _wanted(self) -> set[str]:
        return {f"tcp {PORT} {each}" for each in self.account.node_security_groups}

    def _make(self, found: Found) -> None:
        if found.standing is Standing.ABSENT:
            self._ec2.create_security_group(
                GroupName=self.name,
                Description="Who reaches the warehouse of Sparkify: the nodes of the cluster",
                VpcId=self.account.vpc,
                TagSpecifications=[{"ResourceType": "security-group", "Tags": self.account.tags()}],
            )
        group = self._group()
        if group is None:
            raise LookupError(f"{self} was just made, and is not there")
        if _open_to(group) - self._wanted:
            self._ec2.revoke_security_group_ingress(
                GroupId=group["GroupId"],
                IpPermissions=[
                    {key: value for key, value in each.items() if value} for each in _rules(group)
                ],
            )
            group = {"GroupId": group["GroupId"]}
        missing = self._wanted - _open_to(group)
        if missing:
            pairs = [{"GroupId": each.split()[-1], "Description": "nodes"} for each in sorted(missing)]
            self._ec2.authorize_security_group_ingress(
                GroupId=group["GroupId"],
                IpPermissions=[
                    {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "UserIdGroupPairs": pairs}
                ],
            )

    def remove(self) -> None:
        self.account.wait(f"the warehouse lets go of the {self}", self._is_removed)

    def _is_removed(self) -> bool:
        group = self._group()
        if group is None:
            return True
        try:
            self._ec2.delete_security_group(GroupId=group["GroupId"])
        except ClientError as error:
            # The network interfaces of a warehouse that is gone go some time after it.
            if code(error) != "DependencyViolation":
                raise
        return self._group() is None


def _rules(group: Mapping[str, Any]) -> list[Any]:
    return list(group.get("IpPermissions", []))


def _open_to(group: Mapping[str, Any]) -> set[str]:
    """Each rule as `protocol port who`."""
    found = set()
    for rule in _rules(group):
        first, last = rule.get("FromPort"), rule.get("ToPort")
        ports = "all" if first is None else str(first) if first == last else f"{first}-{last}"
        who = [each["GroupId"] for each in rule.get("UserIdGroupPairs", [])]
        who += [each["CidrIp"] for each in rule.get("IpRanges", [])]
        who += [each["CidrIpv6"] for each in rule.get("Ipv6Ranges", [])]
        who += [each["PrefixListId"] for each in rule.get("PrefixListIds", [])]
        found |= {f"{rule['IpProtocol']} {ports} {each}" for each in who}
    return found
