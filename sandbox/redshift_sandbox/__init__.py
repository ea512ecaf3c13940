"""A Redshift-compatible endpoint and an S3 server for laptops, tests and kind."""

from redshift_sandbox.endpoint import Endpoint, running
from redshift_sandbox.errors import SandboxError

__all__ = ["Endpoint", "SandboxError", "running"]
