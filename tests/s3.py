"""A client of a sandbox's S3 server."""

from typing import Any

import boto3

from redshift_sandbox import Endpoint


def client(endpoint: Endpoint) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint.s3_endpoint,
        aws_access_key_id=endpoint.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=endpoint.env["AWS_SECRET_ACCESS_KEY"],
        region_name=endpoint.env["AWS_REGION"],
    )
