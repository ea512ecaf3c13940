"""PostgreSQL as it is, over TCP: where Airflow keeps its metadata when nothing else is at hand.

It is no part of the warehouse: the two run on their own, so that one may stop while the other goes on.
"""

from __future__ import annotations

from pathlib import Path

from redshift_sandbox.backend import OWNER
from redshift_sandbox.errors import RedshiftError, SandboxError
from redshift_sandbox.postgres import Postgres, literal, name

DATABASE = "airflow"
USER = "airflow"

_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "password_encryption": "scram-sha-256",
}

_HOST_BASED_AUTHENTICATION = f"""\
local all {OWNER} trust
host {DATABASE} {USER} all scram-sha-256
"""


def metadata(folder: Path, host: str, port: int) -> Postgres:
    """A server whose cluster lives in `folder` and that listens on `host`; it is not started yet."""
    return Postgres(
        folder, {**_SETTINGS, "listen_addresses": host}, authentication=_HOST_BASED_AUTHENTICATION, port=port
    )


async def prepare(postgres: Postgres, password: str) -> None:
    """Make the user and the database, or set the password anew. Raises SandboxError."""
    try:
        owner = await postgres.connection("postgres")
        try:
            if not await owner.query(f"select from pg_roles where rolname = {literal(USER)}"):
                await owner.query(f"create role {name(USER)} login")
            await owner.query(f"alter role {name(USER)} password {literal(password)}")
            if not await owner.query(f"select from pg_database where datname = {literal(DATABASE)}"):
                await owner.query(f"create database {name(DATABASE)} owner {name(USER)}")
        finally:
            owner.close()
    except RedshiftError as error:
        raise SandboxError(f"PostgreSQL could not be set up: {error.message}") from error
