"""Everything that can be set, read once from the environment into one frozen object."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sparkify.errors import UsageError

# The names that AWS's servers end with, in all partitions (botocore, data/partitions.json).
_AMAZON = (
    *("amazonaws.com", "api.aws", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "amazonaws.eu"),
    *("api.amazonwebservices.eu", "c2s.ic.gov", "sc2s.sgov.gov", "cloud.adc-e.uk", "csp.hci.ic.gov"),
)
# Read by the AWS libraries; the first one counts.
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}")  # those of old accounts included
_LONGEST_STAGING = 150
# Without a colon, as a password has it before it: user:password@host.
_MAIL_ADDRESS = re.compile(r"[^@,:\s]+@[^@,:\s]+")

_CHECK = re.compile(r"(?:([a-z_]+\.[a-z_]+)\.)?([a-z_]+)=([a-z]+|\d{1,9}(?:\.\d{1,9})?)")


@dataclass(frozen=True)
class Location:
    """A place in S3: a bucket and a prefix, which is empty or ends with a slash."""

    bucket: str
    prefix: str

    def url(self, key: str = "") -> str:
        return f"s3://{self.bucket}/{self.prefix}{key}"


@dataclass(frozen=True)
class MailServer:
    """Who takes mails, and how: by TLS from the first byte on (`encrypted`), else by STARTTLS.

    `user` and `password` are empty where the server asks for none.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    sender: str
    encrypted: bool


@dataclass(frozen=True)
class CheckSetting:
    """What is said of one check, or of all (None): a threshold, or the `severity`, and its value."""

    check: str | None
    name: str
    value: int | float | str


def _checks(text: str) -> tuple[CheckSetting, ...]:
    said = []
    parts = text.replace(",", " ").split()
    for place, each in enumerate(parts, start=1):
        match = _CHECK.fullmatch(each)
        if not match:
            what = f"a part, number {place} of {len(parts)}" if _may_be_secret(text) else repr(each)
            raise ValueError(
                f"has {what}, which is not of the form deviations=6, songplays.volume.deviations=6 or "
                "songplays.volume.severity=check"
            )
        check, name, value = match.groups()
        number = float(value) if "." in value else int(value) if value.isdigit() else value
        said.append(CheckSetting(check, name, number))
    return tuple(said)


def named_value(variable: str, text: str) -> str:
    """A variable and its value, for a message that it is wrong, unless the value may be a secret."""
    return variable if _may_be_secret(text) else f"{variable}={text!r}"


def _may_be_secret(text: str) -> bool:
    """Whether it may be the place of a password or of a key: user:password@host, key=value."""
    return re.search("[@=]", text) is not None


def _location(text: str) -> Location:
    url = urlsplit(text)
    if url.scheme != "s3" or not _BUCKET.fullmatch(url.netloc) or url.query or url.fragment:
        raise ValueError("is not of the form s3://bucket/prefix")
    prefix = url.path.strip("/")
    return Location(url.netloc, f"{prefix}/" if prefix else "")


def _staging(text: str) -> Location:
    # What COPY refused is found by the part's name, of which SYS_LOAD_ERROR_DETAIL has 256 bytes.
    if len(text.encode()) > _LONGEST_STAGING:
        raise ValueError(f"is longer than {_LONGEST_STAGING} bytes")
    return _location(text)


def _text(text: str) -> str:
    return text


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{0,64}", text):
        raise ValueError("is not of small letters, digits and hyphens")
    return text


def _region(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+", text):
        raise ValueError("is not of small letters, digits and hyphens")
    return text


def _database(text: str) -> str:
    """The log shows the name; a URL or a password in its place has one of these characters."""
    if re.search(r"[@=/:\s]", text):
        raise ValueError("is not a name without @, =, /, : and blanks")
    return text


def _user(text: str) -> str:
    # So are users named that log in by a password from IAM: Redshift API Reference, GetClusterCredentials.
    _database(re.sub(r"^IAM[AR]?:", "", text))
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[\w-]+(\.[\w-]+)*\.?", text, re.ASCII):
        raise ValueError("is not the name or the IPv4 address of a host")
    return text


def _role(text: str) -> str:
    if text == "default" or re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", text):
        return text
    raise ValueError("is neither the ARN of an IAM role nor the word default")


def _url(text: str) -> str:
    url = urlsplit(text)
    if text and (url.scheme not in ("http", "https") or not url.hostname or re.search(r"\s", text)):
        raise ValueError("is not of the form https://host/path")
    return text


def _mail_addresses(text: str) -> tuple[str, ...]:
    addresses = tuple(text.split(",")) if text else ()
    if not all(map(_MAIL_ADDRESS.fullmatch, addresses)):
        raise ValueError("is not of the form name@host,name@host")
    return addresses


def _mail_server(text: str) -> MailServer | None:
    """An Airflow connection's URI, read as Airflow reads it: one Secret tells both.

    Its other extras (`timeout`, say) are Airflow's alone. Any text but the empty one is a yes there
    (apache-airflow-providers-smtp, SmtpHook.use_ssl).
    """
    if not text:
        return None
    form = "is not of the form smtp://USER:PASSWORD@HOST:587?disable_ssl=true&from_email=FROM, URL-encoded"
    try:
        url = urlsplit(text)
        host, port = _host(url.hostname or ""), url.port
    except ValueError as error:
        raise ValueError(form) from error
    user, password = unquote(url.username or ""), unquote(url.password or "")
    options = dict(parse_qsl(url.query))
    sender = options.get("from_email", "")
    # smtplib encodes user and password as ASCII.
    plain = bool(user) == bool(password) and f"{user}{password}".isascii()
    if url.scheme != "smtp" or not port or not plain or not _MAIL_ADDRESS.fullmatch(sender):
        raise ValueError(form)
    if options.get("disable_ssl") and options.get("disable_tls"):
        raise ValueError(
            "disables TLS by both ways: a mail that may have a password before it goes by TLS only"
        )
    return MailServer(host, port, user, password, sender, encrypted=not options.get("disable_ssl"))


def _address(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    host, _, port = text.rpartition(":")
    try:
        return _host(host), _whole(1, 65535)(port)
    except ValueError as error:
        raise ValueError("is not of the form host:port") from error


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"is not a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def _number(lowest: float, highest: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) or not lowest <= float(text) <= highest:
            raise ValueError(f"is not a number from {lowest:g} to {highest:g}")
        return float(text)

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"is not one of {', '.join(choices)}")
        return text

    return parse


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError("is not a folder")
    return Path(text)


def _sql_folder() -> str:
    # Beside the package's folder in a checkout; the image sets SPARKIFY_SQL.
    return str(Path(__file__).parents[2] / "sql")


def _login_problems(env: Mapping[str, str]) -> list[str]:
    ways = ("SPARKIFY_WAREHOUSE_PASSWORD", "SPARKIFY_WAREHOUSE_WORKGROUP", "SPARKIFY_WAREHOUSE_CLUSTER")
    given = [way for way in ways if env.get(way)]
    if len(given) == 1:
        return []
    return [f"set one of {', '.join(ways)}: {' and '.join(given) or 'none'} {'are' if given else 'is'} set"]


def _notice_problems(env: Mapping[str, str]) -> list[str]:
    if env.get("SPARKIFY_NOTICE_EMAIL") and not env.get("SPARKIFY_NOTICE_SMTP"):
        return ["SPARKIFY_NOTICE_EMAIL needs SPARKIFY_NOTICE_SMTP, the way to the mail server"]
    return []


def _endpoint_problems(env: Mapping[str, str]) -> list[str]:
    return [
        f"{named_value(name, value)} is not of the form https://host:port"
        for name in ENDPOINTS
        if (value := env.get(name)) is not None and not _is_url(value)
    ]


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        host = re.fullmatch(r"[\w.:-]+", url.hostname or "", re.ASCII)
        path = re.fullmatch(r"[\w./-]*", url.path, re.ASCII)
        # Errors of requests show their URL, with a password if it has one.
        plain = url.scheme in ("http", "https") and url.port != 0 and "@" not in url.netloc
        return plain and bool(host and path)
    except ValueError:  # of the port or of an address in brackets
        return False


def _key_problems(env: Mapping[str, str]) -> list[str]:
    """Keys that do not expire are for a stand-in of AWS, which is where every request goes then."""
    key = env.get("AWS_ACCESS_KEY_ID", "")
    # Temporary keys begin with ASIA and need a token: IAM User Guide, reference_identifiers.
    static = bool(key) and (key.startswith("AKIA") or not env.get("AWS_SESSION_TOKEN"))
    services = ["S3"]
    services += ["REDSHIFT_SERVERLESS"] if env.get("SPARKIFY_WAREHOUSE_WORKGROUP") else []
    services += ["REDSHIFT"] if env.get("SPARKIFY_WAREHOUSE_CLUSTER") else []
    if not static or all(_is_elsewhere(service, env) for service in services):
        return []
    return [
        "AWS_ACCESS_KEY_ID is a key that does not expire: give the pod's ServiceAccount a role instead "
        "(EKS Pod Identity or IRSA)"
    ]


def _is_elsewhere(service: str, env: Mapping[str, str]) -> bool:
    """Whether a service's requests go to a server that is not Amazon's."""
    if env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return False
    endpoint = env.get(f"AWS_ENDPOINT_URL_{service}") or env.get("AWS_ENDPOINT_URL") or ""
    host = (urlsplit(endpoint).hostname or "").rstrip(".")
    return bool(host) and not any(f".{host}".endswith(f".{name}") for name in _AMAZON)


def _setting(
    variable: str,
    parse: Callable[[str], Any],
    meaning: str,
    default: str | Callable[[], str] | None = None,
    secret: bool = False,
) -> Any:
    metadata = {
        "variable": variable,
        "parse": parse,
        "meaning": meaning,
        "default": default,
        "secret": secret,
    }
    return field(metadata=metadata, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """What a worker is told by its environment.

    Standard AWS variables (credentials, `AWS_ENDPOINT_URL_S3` and so on) are read by the AWS libraries.
    """

    source: Location = _setting(
        "SPARKIFY_SOURCE", _location, "s3:// bucket (and prefix) that holds log_data/ and song_data/"
    )
    staging: Location = _setting(
        "SPARKIFY_STAGING", _staging, "s3:// bucket and prefix for parts, manifests and quarantine"
    )
    copy_role: str = _setting(
        "SPARKIFY_COPY_ROLE", _role, "IAM role that COPY reads S3 with: an ARN, or default"
    )
    host: str = _setting("SPARKIFY_WAREHOUSE_HOST", _host, "the warehouse's host name")
    password: str = _setting(
        "SPARKIFY_WAREHOUSE_PASSWORD", _text, "the warehouse user's password; empty: by IAM", "", secret=True
    )
    workgroup: str = _setting(
        "SPARKIFY_WAREHOUSE_WORKGROUP",
        _name,
        "workgroup of Redshift Serverless that the worker's IAM role logs in to; empty: not by this way",
        "",
    )
    cluster: str = _setting(
        "SPARKIFY_WAREHOUSE_CLUSTER",
        _name,
        "provisioned Redshift cluster that the worker's IAM role logs in to; empty: not by this way",
        "",
    )
    region: str = _setting("AWS_REGION", _region, "region of the buckets and the warehouse")
    port: int = _setting("SPARKIFY_WAREHOUSE_PORT", _whole(1, 65535), "the warehouse's port", "5439")
    database: str = _setting("SPARKIFY_WAREHOUSE_DATABASE", _database, "database of the tables", "dev")
    user: str = _setting("SPARKIFY_WAREHOUSE_USER", _user, "database user, if not by IAM", "awsuser")
    max_bad_ratio: float = _setting(
        "SPARKIFY_MAX_BAD_RATIO", _number(0, 1), "share of bad lines above which a stage fails", "0.01"
    )
    missing_day: str = _setting(
        "SPARKIFY_MISSING_DAY", _one_of("fail", "empty"), "what a day without objects means", "fail"
    )
    duplicate_days: int = _setting(
        "SPARKIFY_DUPLICATE_DAYS",
        _whole(0, 30),
        "days on each side in which a copy of an event is looked for",
        "3",
    )
    match_tolerance: float = _setting(
        "SPARKIFY_MATCH_TOLERANCE",
        _number(0, 60),
        "seconds by which a play's and its song's duration may differ",
        "0.5",
    )
    checks: tuple[CheckSetting, ...] = _setting(
        "SPARKIFY_CHECKS",
        _checks,
        "thresholds and severities of [checks](docs/checks.md) that differ from sql/checks.toml, as in "
        "deviations=6, songplays.volume.severity=off",
        "",
    )
    slices: int = _setting(
        "SPARKIFY_SLICES", _whole(1, 4096), "slices of the warehouse: parts are a multiple of it", "2"
    )
    processes: int = _setting(
        "SPARKIFY_PROCESSES",
        _whole(1, 64),
        "processes that parse one large day",
        lambda: str(min(4, len(os.sched_getaffinity(0)))),
    )
    statement_timeout: int = _setting(
        "SPARKIFY_STATEMENT_TIMEOUT", _whole(1, 86400), "seconds after which a statement is cancelled", "1800"
    )
    notice_url: str = _setting(
        "SPARKIFY_NOTICE_URL",
        _url,
        "webhook that notices are posted to, as to Slack's; empty: none",
        "",
        secret=True,
    )
    notice_email: tuple[str, ...] = _setting(
        "SPARKIFY_NOTICE_EMAIL",
        _mail_addresses,
        "addresses, with commas between them, that notices are mailed to; empty: none",
        "",
    )
    notice_smtp: MailServer | None = _setting(
        "SPARKIFY_NOTICE_SMTP",
        _mail_server,
        "how such a mail goes, as smtp://USER:PASSWORD@HOST:587?disable_ssl=true&from_email=FROM",
        "",
        secret=True,
    )
    statsd: tuple[str, int] | None = _setting(
        "SPARKIFY_STATSD",
        _address,
        "host:port of a statsd exporter that metrics are sent to; empty: none",
        "",
    )
    log: str = _setting("SPARKIFY_LOG", _one_of("text", "json"), "form of the log lines", "text")
    sql: Path = _setting("SPARKIFY_SQL", _folder, "folder of the SQL files", _sql_folder)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read every setting; an empty variable counts as absent.

        Raises:
            UsageError: something is missing or wrong; the one message names all of it.
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        missing: list[str] = []
        for setting in fields(cls):
            variable, default = setting.metadata["variable"], setting.metadata["default"]
            text = env.get(variable) or (default() if callable(default) else default)
            if text is None:
                missing.append(variable)
                continue
            try:
                values[setting.name] = setting.metadata["parse"](text)
            except ValueError as error:
                shown = variable if setting.metadata["secret"] else named_value(variable, text)
                problems.append(f"{shown} {error}")
        problems += _login_problems(env)
        problems += _notice_problems(env)
        problems += _endpoint_problems(env) or _key_problems(env)
        if missing:
            problems.insert(0, f"missing: {', '.join(missing)}")
        if problems:
            raise UsageError(f"settings: {'; '.join(problems)}")
        return cls(**values)

    @classmethod
    def variables(cls) -> dict[str, Mapping[str, Any]]:
        """Name of each variable → its `meaning`, `default` (None: required) and whether it is `secret`."""
        return {setting.metadata["variable"]: setting.metadata for setting in fields(cls)}
