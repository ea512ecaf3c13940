"""All of it, in one list: the order of making, and backwards that of removing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sparkify_aws import roles
from sparkify_aws.account import TAG, Account
from sparkify_aws.buckets import Bucket
from sparkify_aws.errors import AwsError
from sparkify_aws.network import SecurityGroup
from sparkify_aws.provisioned import Provisioned
from sparkify_aws.resource import ABSENT, Found, Resource, Standing
from sparkify_aws.roles import PodIdentity, Role, ServiceAccount
from sparkify_aws.schema import Schema
from sparkify_aws.serverless import Serverless
from sparkify_aws.warehouse import Warehouse

# What the worker writes below its place in the staging bucket; the raw lines of the quarantine stay.
STAGING = "sparkify/"
LOGS = "airflow/"
_PARTS = ("events/", "songs/")
_READ = ("log_data/", "song_data/")


@dataclass(frozen=True)
class Removed:
    """What `down` has done."""

    gone: list[Resource]
    kept: list[Resource]
    foreign: list[Resource]


class Stack:
    """What is wanted in one account."""

    def __init__(self, account: Account, sql: Path, is_kept: bool = True) -> None:
        """`is_kept`: the warehouse's data outlives it, as a final snapshot."""
        self.account = account
        settings = account.settings
        self.source_bucket, self.source_prefix = _source(account)
        self.staging_bucket, self.logs_bucket = account.bucket("staging"), account.bucket("logs")
        parts = {f"{STAGING}{each}": settings.parts_days for each in _PARTS}
        read = [f"{self.source_prefix}{each}" for each in _READ]
        self.worker = ServiceAccount(settings.worker_namespace, "sparkify-worker")
        # The names that the chart gives them: each reads or writes the tasks' logs.
        self.airflow = [
            ServiceAccount(settings.airflow_namespace, f"sparkify-{each}")
            for each in ("scheduler", "api-server")
        ]
        group = SecurityGroup(account)
        kinds: dict[str, Warehouse] = {
            "serverless": Serverless(account, group, is_kept),
            "provisioned": Provisioned(account, group, is_kept),
        }
        self.warehouse = kinds.pop(settings.warehouse)
        copy = Role(
            account,
            "copy",
            roles.trusts_redshift(account),
            lambda: (
                roles.may_read(account, self.source_bucket, read)
                + roles.may_read(account, self.staging_bucket, [STAGING])
            ),
        )
        worker = Role(
            account,
            "worker",
            roles.trusts_pods(account, [self.worker]),
            lambda: (
                roles.may_read(account, self.source_bucket, read)
                + roles.may_write(account, self.staging_bucket, [STAGING])
                + self.warehouse.login()
            ),
        )
        logs = Role(
            account,
            "logs",
            roles.trusts_pods(account, self.airflow),
            lambda: roles.may_write(account, self.logs_bucket, [LOGS]),
        )
        source: list[Resource] = [Bucket(account, "source", {})]
        identities: list[Resource] = [
            PodIdentity(account, self.worker, "worker"),
            *(PodIdentity(account, each, "logs") for each in self.airflow),
        ]
        is_irsa = settings.identity == "irsa"
        self.resources: list[Resource] = [
            *([] if settings.source else source),
            Bucket(account, "staging", parts),
            Bucket(account, "logs", {LOGS: settings.logs_days}),
            copy,
            group,
            *self.warehouse.resources,
            worker,
            logs,
            Schema(account, self.warehouse, sql),
            *([] if is_irsa else identities),
        ]
        # What other settings would make. It may be there from before they were changed, and `up` leaves
        # it there: there may be data in it.
        self.others: list[Resource] = [
            *(source if settings.source else []),
            *(part for each in kinds.values() if account.offers(each.service) for part in each.resources),
            *(identities if is_irsa else []),
        ]

    def check(self) -> None:
        """Raises UsageError: what must be there before us is not."""
        self.account.check()
        if self.account.settings.identity == "irsa":
            roles.check_provider(self.account)

    def look(self) -> list[tuple[Resource, Found]]:
        return [(each, each.look()) for each in self.resources]

    def left_by_other_settings(self) -> list[Resource]:
        """What is ours and not wanted any more."""
        return [each for each in self.others if each.look().standing is Standing.OURS]

    def up(self, making: Callable[[Resource, Found], None], made: Callable[[Resource], None]) -> int:
        """Make what is not as wanted; returns how many that were.

        Raises:
            AwsError: something of our name is someone else's, and then nothing is touched; or AWS refuses.
        """
        found = self.look()
        foreign = [str(each) for each, state in found if state.standing is Standing.FOREIGN]
        if foreign:
            raise AwsError(
                f"{', '.join(foreign)}: there already, without the tag {TAG}={self.account.settings.prefix}, "
                "so someone else's; nothing was touched: choose another prefix"
            )
        changed = 0
        for each, _ in found:
            state = each.look()  # anew: what was just made may have changed what is wanted of it
            if state.is_as_wanted:
                continue
            making(each, state)
            each.make()
            made(each)
            changed += 1
        return changed

    def down(self, is_deleted: bool, removing: Callable[[Resource], None]) -> Removed:
        """Remove what is ours, the last first. A bucket that is not empty is kept unless `is_deleted`."""
        removed = Removed([], [], [])
        for each in reversed([*self.resources, *self.others]):
            state = each.look()
            if state.standing is Standing.FOREIGN:
                removed.foreign.append(each)
                continue
            if state.standing is Standing.OURS:
                if isinstance(each, Bucket) and not each.is_empty:
                    if not is_deleted:
                        removed.kept.append(each)
                        continue
                    each.clear()
                removing(each)
                removed.gone.append(each)
            if state != ABSENT:
                each.remove()  # one that is on its way out already is waited for
        return removed

    def left(self) -> list[str]:
        """What is still there of ours: by looking for each, and by asking AWS for whatever has our tag.

        Snapshots are not in it: they are kept, and noted.
        """
        everything = [*self.resources, *self.others]
        there = [str(each) for each in everything if each.look().standing is Standing.OURS]
        # What we looked for ourselves is there or gone, however long AWS goes on listing it. What an
        # earlier, interrupted run has removed may have had an ARN that nobody remembers.
        looked_for = {arn for each in everything for arn in each.arns}
        listed: set[str] = set()
        for _ in self.account.tries("AWS's list of what has the tag catches up"):
            listed = self._tagged() - looked_for
            if all(map(_is_snapshot, listed)):
                break
        for arn in sorted(filter(_is_snapshot, listed)):
            if not any(arn.split("/")[-1] in note for note in self.account.notes):
                self.account.notes.append(f"kept: {arn}")
        return there + [f"{arn}, as AWS lists it" for arn in sorted(listed) if not _is_snapshot(arn)]

    def _tagged(self) -> set[str]:
        pages = self.account.client("resourcegroupstaggingapi").get_paginator("get_resources")
        tag = {"Key": TAG, "Values": [self.account.settings.prefix]}
        return {
            str(each["ResourceARN"])
            for page in pages.paginate(TagFilters=[tag])
            for each in page["ResourceTagMappingList"]
        }


def _is_snapshot(arn: str) -> bool:
    """Of a warehouse; a cluster's has the cluster's tags."""
    _, _, service, _, _, resource = arn.split(":", 5)
    return service in ("redshift", "redshift-serverless") and resource.startswith("snapshot")


def _source(account: Account) -> tuple[str, str]:
    """Bucket and prefix, which is empty or ends with a slash."""
    if not account.settings.source:
        return account.bucket("source"), ""
    url = urlsplit(account.settings.source)
    prefix = url.path.strip("/")
    return url.netloc, f"{prefix}/" if prefix else ""
