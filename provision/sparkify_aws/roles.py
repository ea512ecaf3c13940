"""IAM roles, and which pods have them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sparkify_aws.account import Account, absent_if
from sparkify_aws.errors import UsageError
from sparkify_aws.resource import ABSENT, Found, Resource, Standing, canonical, tags_of

Statements = list[dict[str, Any]]

_POLICY = "access"
_GONE = "NoSuchEntity"


@dataclass(frozen=True)
class ServiceAccount:
    """Who a pod is in Kubernetes."""

    namespace: str
    name: str


class Role(Resource):
    """A role with one policy. The policy is asked for anew: it may name what is made before the role."""

    kind = "role"

    def __init__(
        self, account: Account, what: str, trust: Statements, access: Callable[[], Statements]
    ) -> None:
        super().__init__(account, account.name(what), account.role_arn(what))
        self._trust = _policy(trust)
        self._access = access

    @property
    def _iam(self) -> Any:
        return self.account.client("iam")

    def look(self) -> Found:
        answer = absent_if(lambda: self._iam.get_role(RoleName=self.name), _GONE)
        if answer is None:
            return ABSENT
        tags = tags_of(answer["Role"].get("Tags", []))
        found = self.found(tags)
        if found.standing is not Standing.OURS:
            return found
        differences = []
        if canonical(_document(answer["Role"]["AssumeRolePolicyDocument"])) != canonical(self._trust):
            differences.append("trust")
        policy = absent_if(lambda: self._iam.get_role_policy(RoleName=self.name, PolicyName=_POLICY), _GONE)
        wanted = canonical(_policy(self._access()))
        if policy is None or canonical(_document(policy["PolicyDocument"])) != wanted:
            differences.append("access")
        return self.found(tags, differences)

    def _make(self, found: Found) -> None:
        if found.standing is Standing.ABSENT:
            self._iam.create_role(
                RoleName=self.name,
                AssumeRolePolicyDocument=json.dumps(self._trust),
                Description="Made by sparkify-aws",
                Tags=self.account.tags(),
            )
        elif "trust" in found.differences:
            self._iam.update_assume_role_policy(RoleName=self.name, PolicyDocument=json.dumps(self._trust))
        if found.standing is Standing.ABSENT or "access" in found.differences:
            policy = json.dumps(_policy(self._access()))
            self._iam.put_role_policy(RoleName=self.name, PolicyName=_POLICY, PolicyDocument=policy)

    def remove(self) -> None:
        absent_if(lambda: self._iam.delete_role_policy(RoleName=self.name, PolicyName=_POLICY), _GONE)
        absent_if(lambda: self._iam.delete_role(RoleName=self.name), _GONE)


class PodIdentity(Resource):
    """That the pods of a ServiceAccount have a role, by EKS Pod Identity."""

    kind = "pod identity"

    def __init__(self, account: Account, pods: ServiceAccount, role: str) -> None:
        super().__init__(account, f"{pods.namespace}/{pods.name}")
        self._pods = pods
        self._role_arn = account.role_arn(role)

    @property
    def _eks(self) -> Any:
        return self.account.client("eks")

    @property
    def _where(self) -> dict[str, str]:
        return {"clusterName": self.account.settings.cluster}

    def _association(self) -> Mapping[str, Any] | None:
        answer = self._eks.list_pod_identity_associations(
            **self._where, namespace=self._pods.namespace, serviceAccount=self._pods.name
        )
        for each in answer["associations"]:
            found = self._eks.describe_pod_identity_association(
                **self._where, associationId=each["associationId"]
            )
            association: Mapping[str, Any] = found["association"]
            return association
        return None

    def look(self) -> Found:
        association = self._association()
        if association is None:
            return ABSENT
        self.arns.add(str(association["associationArn"]))
        return self.found(
            association.get("tags", {}), ["role"] if association["roleArn"] != self._role_arn else []
        )

    def _make(self, found: Found) -> None:
        association = self._association()
        if association is None:
            self.account.once_role_is_known(
                lambda: self._eks.create_pod_identity_association(
                    **self._where,
                    namespace=self._pods.namespace,
                    serviceAccount=self._pods.name,
                    roleArn=self._role_arn,
                    tags=tags_of(self.account.tags()),
                )
            )
        elif association["roleArn"] != self._role_arn:
            self._eks.update_pod_identity_association(
                **self._where, associationId=association["associationId"], roleArn=self._role_arn
            )

    def remove(self) -> None:
        association = self._association()
        if association is not None:
            self._eks.delete_pod_identity_association(
                **self._where, associationId=association["associationId"]
            )


def trusts_pods(account: Account, pods: Sequence[ServiceAccount]) -> Statements:
    """That pods of these ServiceAccounts, and no others, have the role."""
    if account.settings.identity == "pod-identity":
        return [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                # EKS sets these tags from what the pod is (EKS User Guide, pod-id-abac).
                "Condition": {
                    "StringEquals": {
                        "aws:SourceAccount": account.id,
                        "aws:RequestTag/eks-cluster-name": account.settings.cluster,
                        "aws:RequestTag/kubernetes-namespace": sorted({each.namespace for each in pods}),
                        "aws:RequestTag/kubernetes-service-account": sorted({each.name for each in pods}),
                    }
                },
            }
        ]
    return [
        {
            "Effect": "Allow",
            "Principal": {"Federated": _provider(account)},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{account.issuer}:aud": "sts.amazonaws.com",
                    f"{account.issuer}:sub": [
                        f"system:serviceaccount:{each.namespace}:{each.name}" for each in pods
                    ],
                }
            },
        }
    ]


def check_provider(account: Account) -> None:
    """For IRSA: IAM must know the cluster's issuer. One serves all who use the cluster, so we make none.

    Raises:
        UsageError: it does not.
    """
    provider = _provider(account)
    iam = account.client("iam")
    if absent_if(lambda: iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider), _GONE) is None:
        raise UsageError(
            f"identity = 'irsa': IAM has no provider {provider}; eksctl utils associate-iam-oidc-provider "
            f"--cluster {account.settings.cluster} --region {account.settings.region} --approve makes it"
        )


def trusts_redshift(account: Account) -> Statements:
    """That this account's Redshift, and no other's, has the role."""
    return [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"]},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account.id}},
        }
    ]


def may_read(account: Account, bucket: str, prefixes: Sequence[str]) -> Statements:
    return _objects(account, bucket, prefixes, ["s3:GetObject"])


def may_write(account: Account, bucket: str, prefixes: Sequence[str]) -> Statements:
    actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    return _objects(account, bucket, prefixes, actions)


def _objects(account: Account, bucket: str, prefixes: Sequence[str], actions: list[str]) -> Statements:
    arn = f"arn:{account.partition}:s3:::{bucket}"
    return [
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": arn,
            "Condition": {"StringLike": {"s3:prefix": [f"{each}*" for each in prefixes]}},
        },
        # COPY asks for it (Redshift Database Developer Guide, copy-usage_notes-access-permissions).
        {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": arn},
        {"Effect": "Allow", "Action": actions, "Resource": [f"{arn}/{each}*" for each in prefixes]},
    ]


def _provider(account: Account) -> str:
    return account.arn("iam", f"oidc-provider/{account.issuer}", region="")


def _policy(statements: Statements) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def _document(answered: Any) -> Any:
    return json.loads(unquote(answered)) if isinstance(answered, str) else answered
