"""`sparkify connect`: whether S3, the warehouse and COPY's role can be reached with these settings.

It needs no tables and leaves nothing behind.
"""

import argparse
import asyncio
import uuid

from sparkify import naming, report, warehouse
from sparkify.errors import DataError
from sparkify.log import Log
from sparkify.objects import Bucket
from sparkify.settings import Settings
from sparkify.statements import literal


def connect(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Go every way that a run's data goes, with one row; print what answered.

    Raises:
        UsageError: a setting leads nowhere, or a right is missing.
        PassingError: S3 or the warehouse cannot be reached now.
        DataError: COPY brought something else than what was written.
    """
    source = Bucket(settings.source, settings.region, "SPARKIFY_SOURCE")
    staging = Bucket(settings.staging, settings.region, "SPARKIFY_STAGING")
    key = f"connect/{uuid.uuid4().hex}.json"
    days = len([each for each in asyncio.run(source.list(naming.EVENTS)) if naming.is_events(each.key)])
    asyncio.run(staging.put(key, b'{"number": 1}\n'))
    try:
        copied = warehouse.read(settings, log, lambda transaction: _copy(transaction, settings, key))
    finally:
        asyncio.run(staging.delete([key]))
    if copied != 1:
        raise DataError(f"COPY from {settings.staging.url(key)} loaded {copied} rows of 1")
    where = f"{settings.host}:{settings.port}, database {settings.database}, user {settings.user}"
    rows = [
        ("source", f"{settings.source.url()} can be listed; day files: {days}"),
        ("staging", f"{settings.staging.url()} can be written and cleared"),
        ("warehouse", f"{where} answers"),
        ("copy", f"role {settings.copy_role} reads {settings.staging.url()}"),
    ]
    print(report.table(["what", "answer"], rows))


def _copy(transaction: warehouse.Transaction, settings: Settings, key: str) -> int:
    role = settings.copy_role
    transaction.execute("connection/sample/create")
    return transaction.copy(
        "connection/sample/copy",
        part=literal(settings.staging.url(key)),
        copy_role=role if role == "default" else literal(role),
        region=literal(settings.region),
    )
