"""The S3 server on its own: how fast it starts, who may use it, what it keeps."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from redshift_sandbox.errors import SandboxError
from redshift_sandbox.s3 import S3Server

pytestmark = pytest.mark.sandbox_only


def run(server: S3Server, work: Callable[[], Any]) -> Any:
    """The result of `work`, done in a thread while the server runs."""

    async def serve() -> Any:
        try:
            await server.start()
            return await asyncio.to_thread(work)
        finally:
            await server.stop()

    return asyncio.run(serve())


def client(server: S3Server, key: str | None = None) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=key or server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=server.region,
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_it_starts_on_an_empty_folder_and_on_a_used_one(tmp_path: Path) -> None:
    first, second = S3Server(tmp_path), S3Server(tmp_path)

    def write() -> None:
        client(first).create_bucket(Bucket="data")
        client(first).put_object(Bucket="data", Key="a/b", Body=b"kept")

    run(first, write)
    assert run(second, lambda: client(second).get_object(Bucket="data", Key="a/b")["Body"].read()) == b"kept"


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    async def killed() -> None:
        server = S3Server(tmp_path)
        await server.start()
        try:
            await asyncio.to_thread(client(server).create_bucket, Bucket="data")
            for number in range(20):
                await asyncio.to_thread(
                    client(server).put_object,
                    Bucket="data",
                    Key=f"k/{number}",
                    Body=str(number).encode() * 300,
                )
            assert server._process is not None
            os.kill(server._process.pid, signal.SIGKILL)
            assert await server.ended()
        finally:
            await server.stop()

    asyncio.run(killed())
    server = S3Server(tmp_path)

    def read() -> list[bytes]:
        s3 = client(server)
        return [s3.get_object(Bucket="data", Key=f"k/{number}")["Body"].read() for number in range(20)]

    assert run(server, read) == [str(number).encode() * 300 for number in range(20)]


def test_only_the_key_opens_it_and_buckets_are_not_made_by_themselves(tmp_path: Path) -> None:
    server = S3Server(tmp_path)

    def work() -> None:
        s3 = client(server)
        s3.create_bucket(Bucket="data")
        assert code(lambda: client(server, "somebody").list_objects_v2(Bucket="data")) == "InvalidAccessKeyId"
        assert code(lambda: s3.put_object(Bucket="nowhere", Key="a", Body=b"")) == "NoSuchBucket"
        assert code(lambda: s3.get_object(Bucket="data", Key="a")) == "NoSuchKey"

    run(server, work)


def test_it_listens_on_the_loopback_interface_only(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    server = S3Server(tmp_path)

    def addresses() -> set[str]:
        assert server._process is not None
        connections = psutil.Process(server._process.pid).net_connections()
        return {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}

    assert run(server, addresses) == {"127.0.0.1"}


def test_on_another_address_connections_are_passed_on(tmp_path: Path) -> None:
    server = S3Server(tmp_path, host="0.0.0.0")

    def work() -> bytes:
        s3 = client(server)
        s3.create_bucket(Bucket="data")
        s3.put_object(Bucket="data", Key="large", Body=b"x" * 3_000_000)
        body: bytes = s3.get_object(Bucket="data", Key="large")["Body"].read()
        return body

    assert run(server, work) == b"x" * 3_000_000


def test_a_taken_port_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            SandboxError, match=rf"^cannot listen on 127\.0\.0\.1 port {port}: Address already in use$"
        ):
            run(S3Server(tmp_path, port=port), lambda: None)


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    def all_sockets() -> set[Path]:
        return set(Path("/tmp").glob("seaweedfs-*.sock"))

    server = S3Server(tmp_path)
    before = all_sockets()  # of servers that run beside it, and of some that were killed

    def sockets() -> list[Path]:
        ports = tuple(f"-{port}.sock" for port in server._ports.values())
        return [path for path in all_sockets() - before if path.name.endswith(ports)]

    assert run(server, sockets)
    assert sockets() == []
    assert server._process is not None
    assert server._process.returncode is not None


def test_many_small_objects_can_be_written_at_once(sandbox: Any, bucket: str) -> None:
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        bucket,
        endpoint=sandbox.s3_endpoint,
        access_key_id=sandbox.env["AWS_ACCESS_KEY_ID"],
        secret_access_key=sandbox.env["AWS_SECRET_ACCESS_KEY"],
        region=sandbox.env["AWS_REGION"],
        client_options={"allow_http": True},
    )
    keys = iter(range(2000))

    async def each(work: Callable[[int], Awaitable[object]]) -> None:
        for number in keys:
            await work(number)

    async def write() -> None:
        await asyncio.gather(
            *[each(lambda n: obstore.put_async(store, f"s/{n}", b"x" * 285)) for _ in range(32)]
        )

    asyncio.run(write())
    assert sum(len(page) for page in obstore.list(store)) == 2000
