"""Everything that can be set, read once from a TOML file into one frozen object."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sparkify_aws.errors import UsageError


def _matches(pattern: str, description: str) -> Callable[[object], Any]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"is not {description}")
        return value

    return parse


def _whole(lowest: int, highest: int) -> Callable[[object], Any]:
    def parse(value: object) -> int:
        if type(value) is not int or not lowest <= value <= highest:
            raise ValueError(f"is not a whole number from {lowest} to {highest}")
        return value

    return parse


def _number(lowest: float, highest: float) -> Callable[[object], Any]:
    def parse(value: object) -> float:
        if type(value) not in (int, float) or not lowest <= float(str(value)) <= highest:
            raise ValueError(f"is not a number from {lowest:g} to {highest:g}")
        return float(str(value))

    return parse


def _one_of(*choices: str) -> Callable[[object], Any]:
    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError(f"is not one of {', '.join(choices)}")
        return str(value)

    return parse


def _all(pattern: str, description: str) -> Callable[[object], Any]:
    one = _matches(pattern, description)

    def parse(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError(f"is not a list, each of which is {description}")
        return tuple(one(each) for each in value)

    return parse


def _rpus(value: object) -> int:
    # Redshift Management Guide, serverless-capacity.
    if type(value) is not int or not (
        value == 4 or (8 <= value <= 512 and value % 8 == 0) or (512 < value <= 1024 and value % 32 == 0)
    ):
        raise ValueError("is neither 4, nor 8 to 512 in steps of 8, nor 544 to 1024 in steps of 32")
    return value


def _setting(parse: Callable[[object], Any], meaning: str, default: object = None) -> Any:
    return field(metadata={"parse": parse, "meaning": meaning, "default": default})


_KUBERNETES = (r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "a name that Kubernetes takes")


@dataclass(frozen=True)
class Settings:
    """What `sparkify-aws` is told by its file."""

    # With it and the longest region's name a bucket's name has at most 63 letters.
    prefix: str = _setting(
        _matches(r"[a-z][a-z0-9-]{1,18}[a-z0-9]", "3 to 20 small letters, digits and hyphens"),
        "every name begins with it, and everything is tagged with it",
        "sparkify",
    )
    region: str = _setting(
        _matches(r"[a-z]{2}(-[a-z]+)+-\d", "the name of a region, as eu-west-1"), "region of everything"
    )
    cluster: str = _setting(
        _matches(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}", "the name of an EKS cluster"),
        "EKS cluster whose pods get in",
    )
    identity: str = _setting(
        _one_of("pod-identity", "irsa"), "how a pod gets its role: EKS Pod Identity or IRSA", "pod-identity"
    )
    airflow_namespace: str = _setting(_matches(*_KUBERNETES), "namespace of Airflow's pods", "sparkify")
    worker_namespace: str = _setting(_matches(*_KUBERNETES), "namespace of the worker pods", "sparkify-jobs")
    source: str = _setting(
        _matches(r"(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s*?]*)?)?", "of the form s3://bucket/prefix"),
        "bucket and prefix that hold log_data/ and song_data/ already; empty: a bucket is made",
        "",
    )
    parts_days: int = _setting(_whole(1, 3650), "days after which what a failed stage left in S3 goes", 30)
    logs_days: int = _setting(_whole(1, 3650), "days after which the tasks' logs go", 90)
    warehouse: str = _setting(
        _one_of("serverless", "provisioned"), "Redshift Serverless or a provisioned cluster", "serverless"
    )
    database: str = _setting(
        _matches(r"[a-z][a-z0-9_]{0,62}", "small letters, digits and _"), "database of the tables", "sparkify"
    )
    base_rpus: int = _setting(_rpus, "Serverless: base capacity, in RPUs", 8)
    daily_rpu_hours: int = _setting(
        _whole(1, 100000), "Serverless: RPU-hours a day, after which queries are refused until the next", 16
    )
    node_type: str = _setting(
        _one_of("ra3.large", "ra3.xlplus", "ra3.4xlarge", "ra3.16xlarge"),
        "provisioned: node type",
        "ra3.large",
    )
    nodes: int = _setting(_whole(1, 128), "provisioned: number of nodes", 1)
    subnets: tuple[str, ...] = _setting(
        _all(r"subnet-[0-9a-f]+", "the id of a subnet"), "the warehouse's subnets; empty: the cluster's", []
    )
    node_security_groups: tuple[str, ...] = _setting(
        _all(r"sg-[0-9a-f]+", "the id of a security group"),
        "security groups of the nodes, which alone reach the warehouse; empty: the cluster's",
        [],
    )
    readers: tuple[str, ...] = _setting(
        _all(r"[\w+=,.@-]{1,64}", "the name of an IAM role"), "IAM roles that may read the star", []
    )
    busy_minutes: float = _setting(
        _number(0, 1440), "for the estimate: minutes a day in which the warehouse works", 10
    )
    stored_gb: float = _setting(_number(0, 1e6), "for the estimate: GB in the warehouse, and again in S3", 10)
    poll_seconds: float = _setting(
        _number(0, 60), "seconds between two looks at something that AWS is still making", 5
    )
    wait_minutes: float = _setting(_number(0, 240), "minutes that one thing may take", 30)

    @classmethod
    def from_file(cls, path: Path) -> "Settings":
        """Read every setting.

        Raises:
            UsageError: the file is missing or no TOML, or something in it is missing or wrong; the one
                message names all of it.
        """
        try:
            given: Mapping[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}; docs/aws.md shows one") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: {error}") from error
        values: dict[str, Any] = {}
        problems: list[str] = []
        missing: list[str] = []
        for setting in fields(cls):
            value = given.get(setting.name, setting.metadata["default"])
            if value is None:
                missing.append(setting.name)
                continue
            try:
                values[setting.name] = setting.metadata["parse"](value)
            except ValueError as error:
                problems.append(f"{setting.name} = {value!r} {error}")
        if missing:
            problems.insert(0, f"missing: {', '.join(missing)}")
        unknown = sorted(given.keys() - {setting.name for setting in fields(cls)})
        if unknown:
            problems.append(f"unknown: {', '.join(unknown)}")
        if problems:
            raise UsageError(f"{path}: {'; '.join(problems)}")
        return cls(**values)
