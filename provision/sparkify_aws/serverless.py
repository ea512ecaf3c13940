"""Redshift Serverless: a namespace (the data), a workgroup (what computes) and a limit on what it costs."""

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sparkify_aws.account import Account, absent_if
from sparkify_aws.network import PORT, SecurityGroup
from sparkify_aws.resource import ABSENT, GOING, Found, Resource, Standing, tags_of
from sparkify_aws.warehouse import Endpoint, Warehouse

_GONE = "ResourceNotFoundException"
OWNER = "sparkify_owner"


class _Part(Resource):
    @property
    def _redshift(self) -> Any:
        return self.account.client("redshift-serverless")

    def _tags(self, arn: str) -> dict[str, str]:
        listed = self._redshift.list_tags_for_resource(resourceArn=arn)["tags"]
        return tags_of(listed, "key", "value")


class _Made(_Part):
    """A part that AWS takes minutes to make, and says of how far it is."""

    @abstractmethod
    def described(self) -> Mapping[str, Any] | None:
        """What AWS says of it; None if it is not there."""

    def _status(self) -> str | None:
        there = self.described()
        return str(there["status"]) if there else None

    def _until_available(self) -> None:
        self.account.wait(f"AWS makes the {self}", lambda: self._status() == "AVAILABLE")


class Namespace(_Made):
    kind = "namespace"

    def __init__(self, account: Account, is_kept: bool) -> None:
        super().__init__(account, account.settings.prefix)
        self._is_kept = is_kept

    def described(self) -> Mapping[str, Any] | None:
        answer = absent_if(lambda: self._redshift.get_namespace(namespaceName=self.name), _GONE)
        return answer["namespace"] if answer else None

    def look(self) -> Found:
        there = self.described()
        if there is None:
            return ABSENT
        self.arns.add(str(there["namespaceArn"]))
        if there["status"] == "DELETING":
            return GOING
        role = self.account.role_arn("copy")
        # AWS answers each as a text, IamRole(applyStatus=…, iamRoleArn=…).
        has_role = any(role in each for each in there.get("iamRoles", []))
        differences = [] if has_role else ["COPY's role"]
        if there["status"] != "AVAILABLE":
            differences.append(there["status"].lower())
        return self.found(self._tags(there["namespaceArn"]), differences)

    def _make(self, found: Found) -> None:
        role = self.account.role_arn("copy")
        if found.standing is Standing.ABSENT:
            self.account.once_role_is_known(
                lambda: self._redshift.create_namespace(
                    namespaceName=self.name,
                    dbName=self.account.settings.database,
                    adminUsername=OWNER,
                    manageAdminPassword=True,
                    iamRoles=[role],
                    defaultIamRoleArn=role,
                    tags=self.account.tags("key", "value"),
                )
            )
        self._until_available()
        if "COPY's role" in found.differences:
            self.account.once_role_is_known(
                lambda: self._redshift.update_namespace(
                    namespaceName=self.name, iamRoles=[role], defaultIamRoleArn=role
                )
            )
            self._until_available()

    def remove(self) -> None:
        there = self.described()
        if there is not None and there["status"] != "DELETING":
            self._until_available()
            snapshot: dict[str, Any] = {}
            if self._is_kept:
                name = final_snapshot(self.account, str(there["namespaceId"])[:8])
                self.account.notes.append(f"kept: the final snapshot {name}")
                snapshot = {"finalSnapshotName": name}
            absent_if(lambda: self._redshift.delete_namespace(namespaceName=self.name, **snapshot), _GONE)
        self.account.wait(f"AWS removes the {self}", lambda: self._status() is None)


def final_snapshot(account: Account, identity: str) -> str:
    """A name that a second `down` of the same data finds again, and that of other data has not."""
    return account.name(f"final-{identity}")


class Workgroup(_Made):
    kind = "workgroup"

    def __init__(self, account: Account, group: SecurityGroup) -> None:
        super().__init__(account, account.settings.prefix)
        self._group = group

    def described(self) -> Mapping[str, Any] | None:
        answer = absent_if(lambda: self._redshift.get_workgroup(workgroupName=self.name), _GONE)
        return answer["workgroup"] if answer else None

    def tags(self) -> Mapping[str, str]:
        there = self.described()
        return self._tags(there["workgroupArn"]) if there and there["status"] != "DELETING" else {}

    def look(self) -> Found:
        there = self.described()
        if there is None:
            return ABSENT
        self.arns.add(str(there["workgroupArn"]))
        if there["status"] == "DELETING":
            return GOING
        wanted = self._wanted()
        differences = [name for name, value in wanted.items() if not _same(there.get(name), value)]
        if there["status"] != "AVAILABLE":
            differences.append(there["status"].lower())
        return self.found(self._tags(there["workgroupArn"]), differences)

    def _wanted(self) -> dict[str, Any]:
        return {
            "baseCapacity": self.account.settings.base_rpus,
            "securityGroupIds": [self._group.id],
            "subnetIds": list(self.account.subnets),
            "publiclyAccessible": False,
            "configParameters": [{"parameterKey": "require_ssl", "parameterValue": "true"}],
        }

    def _make(self, found: Found) -> None:
        if found.standing is Standing.ABSENT:
            self._redshift.create_workgroup(
                workgroupName=self.name,
                namespaceName=self.account.settings.prefix,
                port=PORT,
                tags=self.account.tags("key", "value"),
                **self._wanted(),
            )
        self._until_available()
        for name, value in self._wanted().items():
            if name in found.differences:
                # One at a time: UpdateWorkgroup refuses several of them together.
                self._redshift.update_workgroup(workgroupName=self.name, **{name: value})
                self._until_available()

    def remove(self) -> None:
        if self._status() not in (None, "DELETING"):
            self._until_available()
            absent_if(lambda: self._redshift.delete_workgroup(workgroupName=self.name), _GONE)
        self.account.wait(f"AWS removes the {self}", lambda: self._status() is None)


class UsageLimit(_Part):
    """The RPU-hours of a day, after which the workgroup refuses queries until the next.

    It has no tag of its own: it belongs to the workgroup, and goes with it.
    """

    kind = "usage limit"

    def __init__(self, account: Account, workgroup: Workgroup) -> None:
        super().__init__(account, f"{workgroup.name}, RPU-hours a day")
        self._workgroup = workgroup

    def _limit(self, arn: str) -> Mapping[str, Any] | None:
        answer = self._redshift.list_usage_limits(resourceArn=arn, usageType="serverless-compute")
        for each in answer.get("usageLimits", []):
            if each["period"] == "daily":
                limit: Mapping[str, Any] = each
                return limit
        return None

    @property
    def _wanted(self) -> dict[str, Any]:
        return {"amount": self.account.settings.daily_rpu_hours, "breachAction": "deactivate"}

    def look(self) -> Found:
        there = self._workgroup.described()
        if there is None or there["status"] == "DELETING":
            return ABSENT
        limit = self._limit(there["workgroupArn"])
        differences = [name for name, value in self._wanted.items() if limit and limit.get(name) != value]
        found = self.found(self._tags(there["workgroupArn"]), differences)
        return ABSENT if limit is None and found.standing is Standing.OURS else found

    def _make(self, found: Found) -> None:
        there = self._workgroup.described()
        assert there is not None, "the workgroup is made before its limit"
        limit = self._limit(there["workgroupArn"])
        if limit is None:
            self._redshift.create_usage_limit(
                resourceArn=there["workgroupArn"],
                usageType="serverless-compute",
                period="daily",
                **self._wanted,
            )
        else:
            self._redshift.update_usage_limit(usageLimitId=limit["usageLimitId"], **self._wanted)

    def remove(self) -> None:
        there = self._workgroup.described()
        limit = self._limit(there["workgroupArn"]) if there else None
        if limit is not None:
            self._redshift.delete_usage_limit(usageLimitId=limit["usageLimitId"])


class Serverless(Warehouse):
    service = "redshift-serverless"

    def __init__(self, account: Account, group: SecurityGroup, is_kept: bool) -> None:
        self._account = account
        self._namespace = Namespace(account, is_kept)
        self._workgroup = Workgroup(account, group)

    @cached_property
    def resources(self) -> list[Resource]:
        return [self._namespace, self._workgroup, UsageLimit(self._account, self._workgroup)]

    def endpoint(self) -> Endpoint | None:
        namespace, workgroup = self._namespace.described(), self._workgroup.described()
        if not namespace or not workgroup or workgroup["status"] != "AVAILABLE":
            return None
        at = workgroup["endpoint"]
        arn, secret = workgroup["workgroupArn"], namespace["adminPasswordSecretArn"]
        return Endpoint(str(at["address"]), int(at["port"]), str(arn), str(secret))

    @property
    def target(self) -> Mapping[str, str]:
        return {"WorkgroupName": self._workgroup.name}

    @property
    def settings(self) -> Mapping[str, str]:
        return {"SPARKIFY_WAREHOUSE_WORKGROUP": self._workgroup.name}

    def login(self) -> list[dict[str, Any]]:
        there = self._workgroup.described()
        if there is None:
            return []
        actions = ["redshift-serverless:GetCredentials", "redshift-serverless:GetWorkgroup"]
        return [{"Effect": "Allow", "Action": actions, "Resource": there["workgroupArn"]}]

    def tags(self) -> Mapping[str, str]:
        return self._workgroup.tags()

    def tag(self, key: str, value: str) -> None:
        there = self._workgroup.described()
        assert there is not None, "the workgroup is made before its tag"
        self._account.client("redshift-serverless").tag_resource(
            resourceArn=there["workgroupArn"], tags=[{"key": key, "value": value}]
        )


def _same(there: Any, wanted: Any) -> bool:
    if isinstance(wanted, list) and isinstance(there, list):
        if wanted and isinstance(wanted[0], dict):
            return all(each in there for each in wanted)  # AWS lists its defaults as well
        return sorted(there) == sorted(wanted, key=str)
    return bool(there == wanted)
