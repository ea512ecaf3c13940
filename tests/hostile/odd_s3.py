"""The sandbox's S3, as if it also held objects whose keys are no paths: it keeps objects by their paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.faults.s3_proxy import Exchange, S3Proxy, s3_proxy
from tests.star.conftest import Pipeline


@contextmanager
def also_holding(pipeline: Pipeline, objects: Mapping[str, str]) -> Iterator[S3Proxy]:
    """An S3 whose source bucket holds these keys, too."""
    bodies = {key: body.encode() for key, body in objects.items()}

    class Holding(Exchange):
        def pass_on(self) -> None:
            url = urlsplit(self.path)
            _, bucket, key = (*unquote(url.path).split("/", 2), "")[:3]
            query = parse_qs(url.query)
            if bucket != pipeline.bucket:
                super().pass_on()
            elif "list-type" in query:
                self.list(query.get("prefix", [""])[0], "encoding-type" in query)
            elif self.command == "GET" and key in bodies:
                self.get(bodies[key])
            else:
                super().pass_on()

        def list(self, prefix: str, encoded: bool) -> None:
            answer, data = self.forward()
            more = "".join(
                f"<Contents><Key>{quote(key) if encoded else references(key)}</Key>"
                "<LastModified>2018-11-01T00:00:00.000Z</LastModified>"
                f"<ETag>&quot;{len(body)}&quot;</ETag><Size>{len(body)}</Size></Contents>"
                for key, body in bodies.items()
                if key.startswith(prefix)
            )
            data = data.replace(b"</ListBucketResult>", more.encode() + b"</ListBucketResult>")
            self.answer(answer.status, data, dict(answer.getheaders()))

        def get(self, body: bytes) -> None:
            first, last = map(int, re.findall(r"\d+", self.headers["Range"]))
            self.answer(206, body[first : last + 1], {"ETag": f'"{len(body)}"'})

    with s3_proxy(pipeline.environment["AWS_ENDPOINT_URL_S3"], Holding) as proxy:
        yield proxy


def references(key: str) -> str:
    """A key as XML has it, its control characters included."""
    return "".join(each if each.isalnum() or each in "/._" else f"&#{ord(each)};" for each in key)
