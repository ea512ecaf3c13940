"""The buckets: the source's, staging's, and that of the tasks' logs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from sparkify_aws.account import Account, absent_if
from sparkify_aws.errors import AwsError, code
from sparkify_aws.resource import ABSENT, Found, Resource, Standing, canonical, tags_of

_NOT_PUBLIC = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


class Bucket(Resource):
    """A bucket that is never public and is read over TLS only; S3 encrypts each object by itself (SSE-S3).

    `expiring`: prefix → days after which what lies below it goes.
    """

    kind = "bucket"

    def __init__(self, account: Account, what: str, expiring: Mapping[str, int]) -> None:
        name = account.bucket(what)
        self._arn = f"arn:{account.partition}:s3:::{name}"
        super().__init__(account, name, self._arn)
        self._expiring = expiring

    @property
    def _s3(self) -> Any:
        return self.account.client("s3")

    def look(self) -> Found:
        try:
            self._s3.head_bucket(Bucket=self.name)
        except ClientError as error:
            if code(error) in ("404", "NoSuchBucket"):
                return ABSENT
            # Someone else's, or ours and we may not look into it: S3 does not say which.
            if code(error) == "403":
                return Found(Standing.FOREIGN)
            raise
        tagging = absent_if(lambda: self._s3.get_bucket_tagging(Bucket=self.name), "NoSuchTagSet")
        tags = tags_of(tagging["TagSet"]) if tagging else {}
        found = self.found(tags)
        return self.found(tags, self._differences()) if found.standing is Standing.OURS else found

    def _differences(self) -> list[str]:
        name = self.name
        blocked = absent_if(
            lambda: self._s3.get_public_access_block(Bucket=name), "NoSuchPublicAccessBlockConfiguration"
        )
        policy = absent_if(lambda: self._s3.get_bucket_policy(Bucket=name), "NoSuchBucketPolicy")
        rules = absent_if(
            lambda: self._s3.get_bucket_lifecycle_configuration(Bucket=name), "NoSuchLifecycleConfiguration"
        )
        differences = []
        if not blocked or blocked["PublicAccessBlockConfiguration"] != _NOT_PUBLIC:
            differences.append("public access")
        if not policy or canonical(json.loads(policy["Policy"])) != canonical(self._policy):
            differences.append("policy")
        if not rules or _short(rules["Rules"]) != _short(self._rules):
            differences.append("lifecycle")
        return differences

    def _make(self, found: Found) -> None:
        if found.standing is Standing.ABSENT:
            self._create()
            found = self._ours()
        if "public access" in found.differences:
            self._s3.put_public_access_block(Bucket=self.name, PublicAccessBlockConfiguration=_NOT_PUBLIC)
        if "policy" in found.differences:
            self._s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(self._policy))
        if "lifecycle" in found.differences:
            self._s3.put_bucket_lifecycle_configuration(
                Bucket=self.name, LifecycleConfiguration={"Rules": self._rules}
            )

    def _create(self) -> None:
        region = self.account.settings.region
        # The tag comes with the bucket: there is no moment in which ours looks like someone else's.
        configuration: dict[str, Any] = {"Tags": self.account.tags()}
        if region != "us-east-1":
            configuration["LocationConstraint"] = region
        try:
            self._s3.create_bucket(Bucket=self.name, CreateBucketConfiguration=configuration)
        except ClientError as error:
            if code(error) != "BucketAlreadyOwnedByYou":  # an earlier answer was lost
                raise

    @property
    def _policy(self) -> Mapping[str, Any]:
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "OnlyOverTls",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [self._arn, f"{self._arn}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }

    @property
    def _rules(self) -> list[dict[str, Any]]:
        uploads = {
            "ID": "uploads that were broken off",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
        return [uploads] + [
            {
                "ID": f"{prefix or 'everything'} {days} days",
                "Status": "Enabled",
                "Filter": {"Prefix": prefix},
                "Expiration": {"Days": days},
            }
            for prefix, days in self._expiring.items()
        ]

    @property
    def is_empty(self) -> bool:
        return not self._page()

    def clear(self) -> None:
        while page := self._page():
            self.account.say(f"deletes what is in {self.name}")
            answer = self._s3.delete_objects(Bucket=self.name, Delete={"Objects": page, "Quiet": True})
            if answer.get("Errors"):
                first = answer["Errors"][0]
                raise AwsError(f"{self}: {first.get('Key')} cannot be deleted: {first.get('Message')}")

    def _page(self) -> list[dict[str, str]]:
        """Up to 1000 versions of objects; where nothing is versioned, each has the version null."""
        answer = self._s3.list_object_versions(Bucket=self.name, MaxKeys=1000)
        listed = answer.get("Versions", []) + answer.get("DeleteMarkers", [])
        return [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in listed]

    def remove(self) -> None:
        absent_if(lambda: self._s3.delete_bucket(Bucket=self.name), "NoSuchBucket")


def _short(rules: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, Any, Any]]:
    return sorted(
        (
            each.get("ID", ""),
            str(each.get("Filter", {}).get("Prefix", each.get("Prefix", ""))),
            each.get("Expiration", {}).get("Days", 0),
            each.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation", 0),
        )
        for each in rules
        if each.get("Status") == "Enabled"
    )
