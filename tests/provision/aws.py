"""An AWS to test against: moto's server, and what moto lacks as small fakes.

A fake answers in botocore's events, so the input has passed botocore's validation against the service's model
by then; the fake's answer is validated against the same model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.loaders import create_loader
from botocore.model import OperationModel
from botocore.validate import ParamValidator

REGION = "eu-west-1"
ID = "123456789012"
CLUSTER = "etl"

Answer = dict[str, Any]

_MODELS = create_loader()  # reading the services' models takes longer than a test


class Refusal(Exception):
    """What the fake answers instead: an error code and a message."""

    def __init__(self, code: str, message: str = "as a test wants it", status: int = 400) -> None:
        super().__init__(code)
        self.answer = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0},
        }
        self.status = status


@dataclass
class Call:
    """One call that AWS was asked for, by what it is about. `service` is boto3's name of it."""

    service: str
    operation: str
    subject: str

    @property
    def is_reading(self) -> bool:
        return self.operation.startswith(("Get", "Describe", "List", "Head"))

    def __str__(self) -> str:
        return f"{self.operation} {self.subject}"


@dataclass
class Faults:
    """What goes wrong: asked before each call, and after each that succeeded."""

    calls: list[Call] = field(default_factory=list)
    before: Callable[[Call], None] = lambda call: None
    after: Callable[[Call], None] = lambda call: None


class RedshiftServerless:
    """What of Redshift Serverless is used. Each state lasts until it was looked at once."""

    def __init__(self, data: RedshiftData) -> None:
        self._data = data
        self.namespaces: dict[str, Answer] = {}
        self.workgroups: dict[str, Answer] = {}
        self.limits: dict[str, Answer] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.snapshots: list[str] = []
        self._numbers = count(1)

    def _arn(self, kind: str, number: int) -> str:
        return f"arn:aws:redshift-serverless:{REGION}:{ID}:{kind}/00000000-0000-0000-0000-{number:012}"

    def CreateNamespace(self, namespaceName: str, tags: list[Any], **given: Any) -> Answer:
        if namespaceName in self.namespaces:
            raise Refusal("ConflictException", "the namespace exists already")
        number = next(self._numbers)
        arn = self._arn("namespace", number)
        secret = (
            f"arn:aws:secretsmanager:{REGION}:{ID}:secret:redshift!{namespaceName}-{given['adminUsername']}"
        )
        self.namespaces[namespaceName] = {
            "namespaceName": namespaceName,
            "namespaceArn": arn,
            "namespaceId": f"{number:08}-0000-0000-0000-000000000000",
            "adminUsername": given["adminUsername"],
            "dbName": given["dbName"],
            "status": "MODIFYING",
            "adminPasswordSecretArn": secret,
            "defaultIamRoleArn": given["defaultIamRoleArn"],
            "iamRoles": [f"IamRole(applyStatus=in-sync, iamRoleArn={each})" for each in given["iamRoles"]],
        }
        self.tags[arn] = {each["key"]: each["value"] for each in tags}
        return {"namespace": self.namespaces[namespaceName]}

    def UpdateNamespace(self, namespaceName: str, iamRoles: list[str], defaultIamRoleArn: str) -> Answer:
        there = self._of(self.namespaces, namespaceName)
        there["iamRoles"] = [f"IamRole(applyStatus=in-sync, iamRoleArn={each})" for each in iamRoles]
        there["defaultIamRoleArn"] = defaultIamRoleArn
        return {"namespace": there}

    def GetNamespace(self, namespaceName: str) -> Answer:
        return {"namespace": self._seen(self.namespaces, namespaceName)}

    def DeleteNamespace(self, namespaceName: str, finalSnapshotName: str | None = None) -> Answer:
        there = self._of(self.namespaces, namespaceName)
        if any(each["namespaceName"] == namespaceName for each in self.workgroups.values()):
            raise Refusal("ConflictException", "the namespace has a workgroup")
        if finalSnapshotName:
            self.snapshots.append(finalSnapshotName)
        there["status"] = "DELETING"
        self._data.ran.clear()
        return {"namespace": there}

    def CreateWorkgroup(self, workgroupName: str, tags: list[Any], **given: Any) -> Answer:
        if workgroupName in self.workgroups:
            raise Refusal("ConflictException", "the workgroup exists already")
        self._of(self.namespaces, given["namespaceName"])
        arn = self._arn("workgroup", next(self._numbers))
        host = f"{workgroupName}.{ID}.{REGION}.redshift-serverless.amazonaws.com"
        given["configParameters"] = [
            *given["configParameters"],
            {"parameterKey": "datestyle", "parameterValue": "ISO, MDY"},
        ]
        self.workgroups[workgroupName] = {
            "workgroupName": workgroupName,
            "workgroupArn": arn,
            "status": "CREATING",
            "endpoint": {"address": host, "port": given["port"]},
            **given,
        }
        self.tags[arn] = {each["key"]: each["value"] for each in tags}
        return {"workgroup": self.workgroups[workgroupName]}

    def UpdateWorkgroup(self, workgroupName: str, **given: Any) -> Answer:
        assert len(given) == 1
        there = self._of(self.workgroups, workgroupName)
        there.update(given, status="MODIFYING")
        return {"workgroup": there}

    def GetWorkgroup(self, workgroupName: str) -> Answer:
        return {"workgroup": self._seen(self.workgroups, workgroupName)}

    def DeleteWorkgroup(self, workgroupName: str) -> Answer:
        there = self._of(self.workgroups, workgroupName)
        there["status"] = "DELETING"
        for identity in [k for k, v in self.limits.items() if v["resourceArn"] == there["workgroupArn"]]:
            del self.limits[identity]
        return {"workgroup": there}

    def CreateUsageLimit(self, **given: Any) -> Answer:
        number = next(self._numbers)
        if any(each["resourceArn"] == given["resourceArn"] for each in self.limits.values()):
            raise Refusal("ConflictException", "the workgroup has such a limit")
        self.limits[str(number)] = {"usageLimitId": str(number), **given}
        return {"usageLimit": self.limits[str(number)]}

    def ListUsageLimits(self, resourceArn: str, usageType: str) -> Answer:
        found = [each for each in self.limits.values() if each["resourceArn"] == resourceArn]
        return {"usageLimits": found} if found else {}

    def UpdateUsageLimit(self, usageLimitId: str, **given: Any) -> Answer:
        self.limits[usageLimitId].update(given)
        return {"usageLimit": self.limits[usageLimitId]}

    def DeleteUsageLimit(self, usageLimitId: str) -> Answer:
        return {"usageLimit": self.limits.pop(usageLimitId)}

    def ListTagsForResource(self, resourceArn: str) -> Answer:
        tags = self._of(self.tags, resourceArn)
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def TagResource(self, resourceArn: str, tags: list[Any]) -> Answer:
        self.tags[resourceArn] |= {each["key"]: each["value"] for each in tags}
        return {}

    def _of(self, kind: dict[str, Answer], name: str) -> Answer:
        if name not in kind:
            raise Refusal("ResourceNotFoundException", f"there is no {name}", 404)
        return kind[name]

    def _seen(self, kind: dict[str, Answer], name: str) -> Answer:
        there = self._of(kind, name)
        seen = dict(there)
        if there["status"] == "DELETING":
            del kind[name]
            del self.tags[there.get("namespaceArn") or there["workgroupArn"]]
        there["status"] = "AVAILABLE"
        return seen


class RedshiftData:
    """The Data API: what was run, and the roles and users that are there because of it."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.failing: str | None = None
        self._answers: dict[str, list[tuple[str, ...]]] = {}
        self._errors: dict[str, str] = {}
        self._seen: set[str] = set()

    def BatchExecuteStatement(self, Sqls: list[str], **given: Any) -> Answer:
        assert len(Sqls) <= 40
        return self._run(Sqls, given)

    def ExecuteStatement(self, Sql: str, **given: Any) -> Answer:
        return self._run([Sql], given)

    def _run(self, texts: list[str], given: Answer) -> Answer:
        assert given["SecretArn"].startswith("arn:aws:secretsmanager:")
        identity = str(len(self._answers) + 1)
        self._answers[identity] = []
        if self.failing:
            self._errors[identity] = self.failing
            return self._answer(identity)
        for text in texts:
            name = text.split('"')[1] if '"IAMR:' in text else text.split()[-1].strip("; \n")
            if text.rstrip().endswith("from svv_roles"):
                self._answers[identity] = [(each,) for each in self._made("role")]
            elif text.endswith("from pg_user"):
                self._answers[identity] = [("sparkify_owner",), *((each,) for each in self._made("user"))]
            elif "create role" in text or "create user" in text:
                kind = "role" if "create role" in text else "user"
                if name in self._made(kind):
                    self._errors[identity] = f"{kind} {name} exists already"
                    break
                self.ran.append(f"made {kind} {name}")
            self.ran.append(text)
        return self._answer(identity)

    def _made(self, kind: str) -> list[str]:
        return [each.split()[2] for each in self.ran if each.startswith(f"made {kind} ")]

    def _answer(self, identity: str) -> Answer:
        return {"Id": identity}

    def DescribeStatement(self, Id: str) -> Answer:
        if Id not in self._seen:
            self._seen.add(Id)
            return {"Id": Id, "Status": "STARTED"}
        if Id in self._errors:
            return {"Id": Id, "Status": "FAILED", "Error": self._errors[Id]}
        return {"Id": Id, "Status": "FINISHED", "HasResultSet": bool(self._answers[Id])}

    def GetStatementResult(self, Id: str) -> Answer:
        rows = [[{"stringValue": each} for each in row] for row in self._answers[Id]]
        return {"Records": rows, "TotalNumRows": len(rows)}


class Clusters:
    """What moto lacks of provisioned Redshift: changes, laid over what it describes."""

    def __init__(self) -> None:
        self.made = 0
        self.changes: dict[str, Answer] = {}
        self.subnets: dict[str, list[str]] = {}

    def ResizeCluster(self, ClusterIdentifier: str, ClusterType: str, **given: Any) -> Answer:
        self.changes.setdefault(ClusterIdentifier, {}).update(given)
        return {"Cluster": {"ClusterIdentifier": ClusterIdentifier}}

    def ModifyClusterIamRoles(
        self, ClusterIdentifier: str, AddIamRoles: list[str], DefaultIamRoleArn: str
    ) -> Answer:
        roles = [{"IamRoleArn": each, "ApplyStatus": "in-sync"} for each in AddIamRoles]
        self.changes.setdefault(ClusterIdentifier, {})["IamRoles"] = roles
        return {"Cluster": {"ClusterIdentifier": ClusterIdentifier}}

    def ModifyClusterSubnetGroup(self, ClusterSubnetGroupName: str, SubnetIds: list[str]) -> Answer:
        self.subnets[ClusterSubnetGroupName] = SubnetIds
        return {"ClusterSubnetGroup": {"ClusterSubnetGroupName": ClusterSubnetGroupName}}

    def complete(self, operation: str, parsed: Answer) -> None:
        if operation == "CreateCluster":
            self.made += 1
        for each in parsed["Clusters"] if operation == "DescribeClusters" else []:
            name = each["ClusterIdentifier"]
            each["MasterPasswordSecretArn"] = f"arn:aws:secretsmanager:{REGION}:{ID}:secret:redshift!{name}"
            # Two that a test makes are of the same second, of which a snapshot has its name.
            each["ClusterCreateTime"] = datetime.fromtimestamp(self.made, UTC)
            each.update(self.changes.get(name, {}))
        for each in parsed["ClusterSubnetGroups"] if operation == "DescribeClusterSubnetGroups" else []:
            subnets = self.subnets.get(each["ClusterSubnetGroupName"])
            if subnets is not None:
                each["Subnets"] = [{"SubnetIdentifier": subnet} for subnet in subnets]
        if operation == "DeleteCluster":
            self.changes.clear()
        if operation == "DeleteClusterSubnetGroup":
            self.subnets.clear()


class PodIdentities:
    """EKS Pod Identity."""

    def __init__(self) -> None:
        self.all: dict[str, Answer] = {}
        self._numbers = count(1)

    def CreatePodIdentityAssociation(self, clusterName: str, **given: Any) -> Answer:
        given.pop("clientRequestToken", None)
        who = (given["namespace"], given["serviceAccount"])
        if any((each["namespace"], each["serviceAccount"]) == who for each in self.all.values()):
            raise Refusal("ResourceInUseException", "the service account has an association", 409)
        identity = f"a-{next(self._numbers)}"
        arn = f"arn:aws:eks:{REGION}:{ID}:podidentityassociation/{clusterName}/{identity}"
        names = {"clusterName": clusterName, "associationId": identity, "associationArn": arn}
        self.all[identity] = {**names, **given}
        return {"association": self.all[identity]}

    def ListPodIdentityAssociations(self, clusterName: str, namespace: str, serviceAccount: str) -> Answer:
        return {
            "associations": [
                {key: value for key, value in each.items() if key not in ("tags", "roleArn")}
                for each in self.all.values()
                if (each["namespace"], each["serviceAccount"]) == (namespace, serviceAccount)
            ]
        }

    def DescribePodIdentityAssociation(self, clusterName: str, associationId: str) -> Answer:
        return {"association": self.all[associationId]}

    def UpdatePodIdentityAssociation(
        self, clusterName: str, associationId: str, roleArn: str, clientRequestToken: str = ""
    ) -> Answer:
        self.all[associationId]["roleArn"] = roleArn
        return {"association": self.all[associationId]}

    def DeletePodIdentityAssociation(self, clusterName: str, associationId: str) -> Answer:
        return {"association": self.all.pop(associationId)}


class Session(boto3.Session):
    """Asks the `Aws` of the test that runs. Makes each client once: it takes longer than what a test asks."""

    aws: Aws

    def __init__(self) -> None:
        botocore_session = botocore.session.get_session()
        botocore_session.register_component("data_loader", _MODELS)
        super().__init__(
            botocore_session=botocore_session,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            aws_session_token="testing",
            region_name=REGION,
        )
        self._clients: dict[tuple[str, Any, Any], Any] = {}
        self.events.register("before-parameter-build.*.*", lambda **given: self.aws.build(**given))
        self.events.register("before-call.*.*", lambda **given: self.aws.before(**given))
        self.events.register("after-call.*.*", lambda **given: self.aws.after(**given))

    def client(self, service: str, **given: Any) -> Any:
        key = (service, given.get("region_name"), given.get("endpoint_url"))
        if key not in self._clients:
            self._clients[key] = super().client(service, **given)
        return self._clients[key]


class Aws:
    """moto and the fakes, behind one session. `endpoint` is moto's server; None: moto is in this process."""

    def __init__(self, endpoint: str | None, session: Session) -> None:
        self.endpoint = endpoint
        self.data = RedshiftData()
        self.serverless = RedshiftServerless(self.data)
        self.identities = PodIdentities()
        self.clusters = Clusters()
        self.faults = Faults()
        self.late: dict[str, int] = {}  # ARN → how often it is still listed as tagged when it is gone
        self._quiet = 0
        self._asked: list[tuple[str, Answer]] = []
        self.session = session
        session.aws = self
        with self.quietly():
            self._furnish()

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """What the test itself asks of AWS: not recorded, and nothing fails."""
        self._quiet += 1
        asked = len(self._asked)
        yield
        del self._asked[asked:]  # it may be amid a call
        self._quiet -= 1

    def client(self, service: str) -> Any:
        return self.session.client(service, region_name=REGION, endpoint_url=self.endpoint)

    def _furnish(self) -> None:
        """What is there before us: a network and a cluster."""
        ec2 = self.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2.create_subnet(
                VpcId=self.vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}"
            )["Subnet"]["SubnetId"]
            for number, zone in enumerate("abc")
        ]
        self.nodes = ec2.create_security_group(GroupName="nodes", Description="nodes", VpcId=self.vpc)[
            "GroupId"
        ]
        self._network = {"vpcId": self.vpc, "clusterSecurityGroupId": self.nodes}
        self.client("eks").create_cluster(
            name=CLUSTER,
            roleArn=f"arn:aws:iam::{ID}:role/eks",
            resourcesVpcConfig={"subnetIds": self.subnets},
        )

    def upload(self, bucket: str, key: str) -> None:
        """Without the bucket's policy, whose condition moto does not read: it would refuse every object."""
        s3 = self.client("s3")
        with self.quietly():
            policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
            s3.delete_bucket_policy(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key=key, Body=b"{}")
            s3.put_bucket_policy(Bucket=bucket, Policy=policy)

    def know_issuer(self) -> str:
        """IAM has the cluster's OpenID Connect provider, of this address."""
        with self.quietly():
            cluster = self.client("eks").describe_cluster(name=CLUSTER)["cluster"]
            issuer = str(cluster["identity"]["oidc"]["issuer"])
            self.client("iam").create_open_id_connect_provider(Url=issuer, ThumbprintList=["0" * 40])
        return issuer

    def bucket(self, name: str) -> dict[str, Any]:
        """What is set of a bucket."""
        s3 = self.client("s3")
        with self.quietly():
            return {
                "tags": s3.get_bucket_tagging(Bucket=name)["TagSet"],
                "public access": s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
                "policy": json.loads(s3.get_bucket_policy(Bucket=name)["Policy"]),
                "rules": s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"],
            }

    def _fake(self, model: OperationModel) -> Callable[..., Answer] | None:
        for fake, service in (
            (self.serverless, "redshift-serverless"),
            (self.clusters, "redshift"),
            (self.data, "redshift-data"),
            (self.identities, "eks"),
        ):
            if model.service_model.service_name == service:
                found: Callable[..., Answer] | None = getattr(fake, model.name, None)
                return found
        return None

    def build(self, params: Answer, model: OperationModel, **_: Any) -> None:
        self._asked.append((model.name, dict(params)))

    def before(self, model: OperationModel, params: Answer, **_: Any) -> Any:
        name, asked = self._asked[-1]
        assert name == model.name
        call = Call(model.service_model.service_name, model.name, _subject(asked))
        if not self._quiet:
            self.faults.calls.append(call)
            try:
                self.faults.before(call)
            except Refusal as refusal:
                return _response(refusal.status), refusal.answer
        fake = self._fake(model)
        try:
            if model.name == "CreateClusterSubnetGroup":
                self._refuse_taken(asked["ClusterSubnetGroupName"])
            if fake is None:
                return None
            answer = fake(**asked)
        except Refusal as refusal:
            return _response(refusal.status), refusal.answer
        answer = json.loads(json.dumps(answer))
        if model.output_shape is not None:
            report = ParamValidator().validate(answer, model.output_shape)
            assert not report.has_errors(), report.generate_report()
        return _response(200), {**answer, "ResponseMetadata": {"HTTPStatusCode": 200}}

    def after(self, model: OperationModel, parsed: Answer, **_: Any) -> None:
        _, asked = self._asked[-1]
        succeeded = "Error" not in parsed
        if succeeded and model.name == "CreateBucket" and "CreateBucketConfiguration" in asked:
            # moto takes no tags with the bucket.
            tags = asked["CreateBucketConfiguration"].get("Tags", [])
            with self.quietly():
                self.client("s3").put_bucket_tagging(Bucket=asked["Bucket"], Tagging={"TagSet": tags})
        if succeeded and model.name == "DescribeCluster":
            parsed["cluster"]["resourcesVpcConfig"] |= self._network  # moto leaves it out
        if succeeded and model.name == "GetResources":
            self._list_tagged(asked["TagFilters"], parsed["ResourceTagMappingList"])
        if succeeded and model.service_model.service_name == "redshift":
            self.clusters.complete(model.name, parsed)
            if model.name == "DeleteCluster":
                self.data.ran.clear()
        if succeeded and not self._quiet:
            self.faults.after(Call(model.service_model.service_name, model.name, _subject(asked)))

    def _refuse_taken(self, subnet_group: str) -> None:
        """moto writes over one that is there."""
        with self.quietly():
            there = self.client("redshift").describe_cluster_subnet_groups()["ClusterSubnetGroups"]
        if subnet_group in [each["ClusterSubnetGroupName"] for each in there]:
            raise Refusal("ClusterSubnetGroupAlreadyExists", "the subnet group exists already")

    def tagged(self) -> set[str]:
        """The ARNs of what AWS lists as tagged."""
        with self.quietly():
            answer = self.client("resourcegroupstaggingapi").get_resources(
                TagFilters=[{"Key": "sparkify:stack", "Values": ["sparkify"]}]
            )
        return {each["ResourceARN"] for each in answer["ResourceTagMappingList"]}

    def _list_tagged(self, filters: list[Answer], listed: list[Answer]) -> None:
        """Add what moto does not list, and what AWS would list although it is gone."""
        there = dict(self.serverless.tags)
        there |= {each["associationArn"]: each["tags"] for each in self.identities.all.values()}
        with self.quietly():
            redshift = self.client("redshift")
            clusters = redshift.describe_clusters()["Clusters"]
            groups = redshift.describe_cluster_subnet_groups()["ClusterSubnetGroups"]
            snapshots = redshift.describe_cluster_snapshots()["Snapshots"]
            for kind, things in (
                ("cluster:{ClusterIdentifier}", clusters),
                ("subnetgroup:{ClusterSubnetGroupName}", groups),
                ("snapshot:{ClusterIdentifier}/{SnapshotIdentifier}", snapshots),
            ):
                for each in things:
                    tags = {tag["Key"]: tag["Value"] for tag in each["Tags"]}
                    there[f"arn:aws:redshift:{REGION}:{ID}:{kind.format(**each)}"] = tags
        found = {each["ResourceARN"] for each in listed}
        for arn, tags in there.items():
            if all(tags.get(each["Key"]) in each["Values"] for each in filters):
                found.add(arn)
        if not self._quiet:
            for arn in self.late.keys() - found:
                if self.late[arn]:
                    self.late[arn] -= 1
                    found.add(arn)
        listed[:] = [{"ResourceARN": arn} for arn in sorted(found)]


def lost(call: Call) -> None:
    """The call was done, and its answer does not arrive."""
    raise ReadTimeoutError(endpoint_url=f"https://{REGION}.amazonaws.com, {call}")


def state(aws: Aws) -> dict[str, Any]:
    """All that is there, but for what is there before us; ids that AWS makes up are left out."""
    found: dict[str, Any] = {}
    with aws.quietly():
        s3, iam, ec2, redshift = (aws.client(each) for each in ("s3", "iam", "ec2", "redshift"))
        for each in s3.list_buckets()["Buckets"]:
            found[f"bucket {each['Name']}"] = aws.bucket(each["Name"])
        for each in iam.list_roles()["Roles"]:
            name = each["RoleName"]
            policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
            found[f"role {name}"] = [
                iam.get_role(RoleName=name)["Role"]["Tags"],
                each["AssumeRolePolicyDocument"],
                [
                    iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                    for policy in policies
                ],
            ]
        for each in ec2.describe_security_groups()["SecurityGroups"]:
            if each["GroupName"].startswith("sparkify"):
                found[f"security group {each['GroupName']}"] = [each["Tags"], each["IpPermissions"]]
        for each in redshift.describe_cluster_subnet_groups()["ClusterSubnetGroups"]:
            found["subnet group"] = [each["Subnets"], each["Tags"]]
        for each in redshift.describe_clusters()["Clusters"]:
            found["cluster"] = [each["NodeType"], each["PubliclyAccessible"], each["IamRoles"], each["Tags"]]
    for kind, things in (("namespace", aws.serverless.namespaces), ("workgroup", aws.serverless.workgroups)):
        for name, there in things.items():
            tags = aws.serverless.tags[there[f"{kind}Arn"]]
            found[f"{kind} {name}"] = [{**there, "securityGroupIds": None, "status": None}, tags]
    if aws.serverless.limits:
        found["limits"] = [{**each, "usageLimitId": None} for each in aws.serverless.limits.values()]
    for each in aws.identities.all.values():
        found[f"identity {each['namespace']}/{each['serviceAccount']}"] = [each["roleArn"], each["tags"]]
    if aws.data.ran:
        found["ran"] = sorted(set(aws.data.ran))
    text = json.dumps(found, default=str)
    made_up: dict[str, Any] = json.loads(re.sub(r"\d{8}-0000-0000-0000-\d{12}", "made-up", text))
    return made_up


def _response(status: int) -> AWSResponse:
    return AWSResponse("https://fake", status, {"date": datetime.now(UTC).isoformat()}, None)


def _subject(asked: Answer) -> str:
    """Short for what the call is about, the same for the same thing."""
    names = (
        "Bucket",
        "RoleName",
        "GroupName",
        "namespaceName",
        "workgroupName",
        "ClusterIdentifier",
        "ClusterSubnetGroupName",
        "serviceAccount",
        "StatementName",
        "GroupId",
        "associationId",
    )
    found = [str(asked[name]) for name in names if name in asked]
    return " ".join(found)
