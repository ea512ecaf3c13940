"""A provisioned Redshift cluster and its subnet group."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sparkify_aws.account import Account, absent_if
from sparkify_aws.network import PORT, SecurityGroup
from sparkify_aws.resource import ABSENT, GOING, Found, Resource, Standing, tags_of
from sparkify_aws.serverless import OWNER, final_snapshot
from sparkify_aws.warehouse import Endpoint, Warehouse

_LEAVING = ("deleting", "final-snapshot")


class _Part(Resource):
    @property
    def _redshift(self) -> Any:
        return self.account.client("redshift")


class SubnetGroup(_Part):
    kind = "subnet group"

    def __init__(self, account: Account) -> None:
        name = account.settings.prefix
        super().__init__(account, name, account.arn("redshift", f"subnetgroup:{name}"))

    def _group(self) -> Mapping[str, Any] | None:
        answer = absent_if(
            lambda: self._redshift.describe_cluster_subnet_groups(ClusterSubnetGroupName=self.name),
            "ClusterSubnetGroupNotFoundFault",
        )
        return answer["ClusterSubnetGroups"][0] if answer else None

    def look(self) -> Found:
        group = self._group()
        if group is None:
            return ABSENT
        there = {each["SubnetIdentifier"] for each in group["Subnets"]}
        return self.found(
            tags_of(group.get("Tags", [])), ["subnets"] if there != set(self.account.subnets) else []
        )

    def _make(self, found: Found) -> None:
        subnets = list(self.account.subnets)
        if found.standing is Standing.ABSENT:
            self._redshift.create_cluster_subnet_group(
                ClusterSubnetGroupName=self.name,
                Description="Made by sparkify-aws",
                SubnetIds=subnets,
                Tags=self.account.tags(),
            )
        elif found.differences:
            self._redshift.modify_cluster_subnet_group(ClusterSubnetGroupName=self.name, SubnetIds=subnets)

    def remove(self) -> None:
        absent_if(
            lambda: self._redshift.delete_cluster_subnet_group(ClusterSubnetGroupName=self.name),
            "ClusterSubnetGroupNotFoundFault",
        )


class Cluster(_Part):
    kind = "cluster"

    def __init__(self, account: Account, group: SecurityGroup, is_kept: bool) -> None:
        name = account.settings.prefix
        self.arn = account.arn("redshift", f"cluster:{name}")
        super().__init__(account, name, self.arn)
        self._group = group
        self._is_kept = is_kept

    def described(self) -> Mapping[str, Any] | None:
        answer = absent_if(
            lambda: self._redshift.describe_clusters(ClusterIdentifier=self.name),
            "ClusterNotFound",
            "ClusterNotFoundFault",
        )
        return answer["Clusters"][0] if answer else None

    def look(self) -> Found:
        there = self.described()
        if there is None:
            return ABSENT
        if there["ClusterStatus"] in _LEAVING:
            return GOING
        settings, differences = self.account.settings, []
        if (there["NodeType"], there["NumberOfNodes"]) != (settings.node_type, settings.nodes):
            differences.append("nodes")
        if [each["VpcSecurityGroupId"] for each in there["VpcSecurityGroups"]] != [self._group.id]:
            differences.append("security group")
        if there["PubliclyAccessible"]:
            differences.append("public")
        role = self.account.role_arn("copy")
        if role not in {each["IamRoleArn"] for each in there.get("IamRoles", [])}:
            differences.append("COPY's role")
        if there["ClusterStatus"] != "available":
            differences.append(there["ClusterStatus"])
        return self.found(tags_of(there.get("Tags", [])), differences)

    def _make(self, found: Found) -> None:
        settings, role = self.account.settings, self.account.role_arn("copy")
        size: dict[str, Any] = {
            "ClusterType": "single-node" if settings.nodes == 1 else "multi-node",
            "NodeType": settings.node_type,
            **({"NumberOfNodes": settings.nodes} if settings.nodes > 1 else {}),
        }
        if found.standing is Standing.ABSENT:
            # Its parameter group is the default one, which asks for TLS (Redshift Management Guide,
            # connecting-ssl-support), and the workers insist on TLS whatever it says.
            self.account.once_role_is_known(
                lambda: self._redshift.create_cluster(
                    ClusterIdentifier=self.name,
                    DBName=settings.database,
                    MasterUsername=OWNER,
                    ManageMasterPassword=True,
                    Port=PORT,
                    ClusterSubnetGroupName=self.name,
                    VpcSecurityGroupIds=[self._group.id],
                    PubliclyAccessible=False,
                    Encrypted=True,
                    IamRoles=[role],
                    DefaultIamRoleArn=role,
                    Tags=self.account.tags(),
                    **size,
                )
            )
        self._until_available()
        if "nodes" in found.differences:
            self._redshift.resize_cluster(ClusterIdentifier=self.name, **size)
            self._until_available()
        if "security group" in found.differences:
            self._redshift.modify_cluster(ClusterIdentifier=self.name, VpcSecurityGroupIds=[self._group.id])
            self._until_available()
        if "public" in found.differences:
            self._redshift.modify_cluster(ClusterIdentifier=self.name, PubliclyAccessible=False)
            self._until_available()
        if "COPY's role" in found.differences:
            self._redshift.modify_cluster_iam_roles(
                ClusterIdentifier=self.name, AddIamRoles=[role], DefaultIamRoleArn=role
            )
            self._until_available()

    def _status(self) -> str | None:
        there = self.described()
        return str(there["ClusterStatus"]) if there else None

    def _until_available(self) -> None:
        self.account.wait(f"AWS makes the {self}", lambda: self._status() == "available")

    def remove(self) -> None:
        there = self.described()
        if there is not None and there["ClusterStatus"] not in _LEAVING:
            self._until_available()
            snapshot: dict[str, Any] = {"SkipFinalClusterSnapshot": True}
            if self._is_kept:
                name = final_snapshot(self.account, there["ClusterCreateTime"].strftime("%Y%m%d%H%M%S"))
                self.account.notes.append(f"kept: the final snapshot {name}")
                snapshot = {"SkipFinalClusterSnapshot": False, "FinalClusterSnapshotIdentifier": name}
            absent_if(
                lambda: self._redshift.delete_cluster(ClusterIdentifier=self.name, **snapshot),
                "ClusterNotFound",
                "ClusterNotFoundFault",
            )
        self.account.wait(f"AWS removes the {self}", lambda: self._status() is None)


class Provisioned(Warehouse):
    service = "redshift"

    def __init__(self, account: Account, group: SecurityGroup, is_kept: bool) -> None:
        self._account = account
        self._cluster = Cluster(account, group, is_kept)

    @cached_property
    def resources(self) -> list[Resource]:
        return [SubnetGroup(self._account), self._cluster]

    def endpoint(self) -> Endpoint | None:
        there = self._cluster.described()
        if not there or there["ClusterStatus"] != "available":
            return None
        at, secret = there["Endpoint"], there["MasterPasswordSecretArn"]
        return Endpoint(str(at["Address"]), int(at["Port"]), self._cluster.arn, str(secret))

    @property
    def target(self) -> Mapping[str, str]:
        return {"ClusterIdentifier": self._cluster.name}

    @property
    def settings(self) -> Mapping[str, str]:
        return {"SPARKIFY_WAREHOUSE_CLUSTER": self._cluster.name}

    def login(self) -> list[dict[str, Any]]:
        database = f"dbname:{self._cluster.name}/{self._account.settings.database}"
        return [
            {
                "Effect": "Allow",
                "Action": "redshift:GetClusterCredentialsWithIAM",
                "Resource": self._account.arn("redshift", database),
            }
        ]

    def tags(self) -> Mapping[str, str]:
        there = self._cluster.described()
        return tags_of(there.get("Tags", [])) if there else {}

    def tag(self, key: str, value: str) -> None:
        self._account.client("redshift").create_tags(
            ResourceName=self._cluster.arn, Tags=[{"Key": key, "Value": value}]
        )
