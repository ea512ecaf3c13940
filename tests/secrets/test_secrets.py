"""Secrets are planted in every setting that takes one, and looked for in all that the pipeline leaves."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from redshift_sandbox import Endpoint
from sparkify.settings import Settings
from tests.receiver import MailServer, receiving, receiving_mail
from tests.star.conftest import Pipeline
from tests.worker.aws_api import answering
from tests.worker.staging import DAY, line, rows, song, staging
from tests.worker.test_login import WAYS
from tests.worker.test_notices import Authority

VARIABLES = Settings.variables()
STEPS = (
    ("connect",),
    ("tables", "create"),
    ("stage", "songs"),
    ("stage", "events", "--date", DAY),
    ("load", "--date", DAY),
    ("check", "--date", DAY),
    ("plan", "--date", DAY),
    ("freshness", "--as-of", f"{DAY}T00:00"),
    ("trace", "139-1"),
    ("quarantine", "list"),
    ("quarantine", "show", f"{DAY}-events.json:2"),
    ("quarantine", "retry", "--date", DAY),
)


def canary(name: str) -> str:
    """A secret that is found wherever it is, and that a URL can hold."""
    return f"Canary9{name}9"


def shown(text: str, secrets: Iterable[str]) -> set[str]:
    """Which of the secrets a text shows: as they are, as a URL or in base64, wherever they begin in it."""
    found = set()
    for secret in secrets:
        encoded = {
            base64.b64encode(b"x" * shift + secret.encode())[2 * shift : -4].decode() for shift in range(3)
        }
        if any(form in text for form in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], *encoded}):
            found.add(secret)
    return found


def test_a_secret_is_found_in_each_form_that_it_may_take() -> None:
    secret = 'Canary9"/+9 of many letters'
    for text in (secret, quote(secret, safe=""), json.dumps(secret)):
        assert shown(f"x{text}x", [secret]) == {secret}
    for before in ("", "a", "ab", "abc"):
        hidden = base64.b64encode(f"{before}{secret} and more".encode()).decode()
        assert shown(hidden, [secret]) == {secret}
    assert shown("nothing of it", [secret]) == set()


@pytest.fixture
def secrets(sandbox: Endpoint) -> dict[str, str]:
    """What a worker is given and nobody else is to see. Those of the sandbox are as good as canaries."""
    names = ("SPARKIFY_WAREHOUSE_PASSWORD", "AWS_SECRET_ACCESS_KEY")
    return {name: sandbox.env[name] for name in names} | {
        "SPARKIFY_NOTICE_URL": canary("Notice"),
        "SPARKIFY_NOTICE_SMTP": canary("Smtp"),
    }


def smtp(password: str, port: int = 587) -> str:
    """The way to a mail server on this machine."""
    return f"smtp://user:{password}@127.0.0.1:{port}?disable_ssl=true&from_email=sparkify%40example.com"


def history(connection: Any) -> str:
    """All SQL that was run in the test's database."""
    return str(rows(connection, "select * from sandbox.statements where database = current_database()"))


def everything_in(connection: Any) -> str:
    """Each row of each table and view of ours."""
    tables = rows(
        connection, "select table_name from information_schema.tables where table_schema = 'public'"
    )
    assert len(tables) > 15
    return "\n".join(str(rows(connection, f'select * from "{table}"')) for (table,) in tables)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_whole_run_leaves_no_secret_anywhere(
    form: str, pipeline: Pipeline, warehouse: Any, secrets: Mapping[str, str], authority: Authority
) -> None:
    pipeline.put_day(DAY, line() + "\nbad\n" + line(itemInSession=2, device="new"))
    pipeline.put("song_data/A/B/C/song.json", song())
    server = MailServer(tls="starttls")
    with receiving() as receiver, receiving_mail(server, authority.served):
        settings = {
            "SPARKIFY_LOG": form,
            "SPARKIFY_MAX_BAD_RATIO": "1",
            "SPARKIFY_NOTICE_URL": f"{receiver.url}/{secrets['SPARKIFY_NOTICE_URL']}",
            "SPARKIFY_NOTICE_EMAIL": "one@example.com",
            "SPARKIFY_NOTICE_SMTP": smtp(secrets["SPARKIFY_NOTICE_SMTP"], server.port),
            "SSL_CERT_FILE": authority.trusted,
        }
        said = []
        for step in STEPS:
            ended = pipeline.run(*step, **settings)
            assert ended.code in (0, 99), ended.log
            said.append(ended.out + ended.log)
        refused = pipeline.run(
            "stage", "events", "--date", DAY, **{**settings, "SPARKIFY_MAX_BAD_RATIO": "0"}
        )
        late = pipeline.run("freshness", "--as-of", "2030-01-01T00:00", **settings)
        assert (refused.code, late.code) == (1, 1)
        said += [refused.log, late.out + late.log, *receiver.texts, *map(str, server.messages)]
        assert receiver.texts
        assert server.logins == [["user", secrets["SPARKIFY_NOTICE_SMTP"]]]
    sql = history(warehouse)
    assert "copy staging_events" in sql.lower()
    assert "iam_role" in sql.lower()
    assert not {"access_key_id", "secret_access_key", "credentials", "session_token"} & set(
        sql.lower().replace("'", " ").split()
    )
    bucket, _ = staging(pipeline)
    listed = pipeline.client.list_objects_v2(Bucket=bucket)["Contents"]
    kept = [pipeline.client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed]
    assert b"bad\n" in kept
    left = [*said, sql, everything_in(warehouse), *(body.decode("latin-1") for body in kept)]
    assert shown("\n".join(left), secrets.values()) == set()


@pytest.mark.parametrize("way", WAYS)
def test_a_password_that_aws_gives_is_shown_nowhere(
    way: str, pipeline: Pipeline, warehouse: Any, sandbox: Endpoint
) -> None:
    pipeline.put_day(DAY, line())
    steps = [("connect",), ("stage", "events", "--date", DAY), ("load", "--date", DAY)]
    with answering(sandbox) as api:
        by_iam = {**api.environment, **WAYS[way]}
        done = [pipeline.done(*step, **by_iam) for step in steps]
        given, api.password = api.password, canary("Temporary")
        refused = pipeline.run("load", "--date", DAY, **by_iam)
    assert refused.code == 64
    left = [*(each.out + each.log for each in (*done, refused)), history(warehouse), everything_in(warehouse)]
    assert "copy staging_events" in left[-2].lower()
    assert shown("\n".join(left), [given, canary("Temporary")]) == set()


# What somebody pastes into the wrong setting.
PASTED = {
    "a user and a password": f"user:{canary('Pasted')}@host",
    "a password by its name": f"password={canary('Pasted')}",
    "a database's URL": f"postgresql://user:{canary('Pasted')}@host/db",
    "a URL with a password": f"https://user:{canary('Pasted')}@host/path",
}
# A webhook's URL may have a password.
TAKEN = ("SPARKIFY_NOTICE_URL", "a URL with a password")


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_secret_that_is_pasted_into_any_setting_is_shown_nowhere(
    variable: str, pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, line())
    left = []
    for what, text in PASTED.items():
        for step in (("stage", "events", "--date", DAY), ("freshness", "--as-of", "2030-01-01T00:00")):
            ended = pipeline.run(*step, **{variable: text})
            assert (ended.code == 64) == ((variable, what) != TAKEN), (what, ended.log)
            left.append(ended.out + ended.log)
    left += [history(warehouse), everything_in(warehouse)]
    assert shown("\n".join(left), [canary("Pasted")]) == set()


# What is set wrong → the settings, each with a canary in it.
WRONG: dict[str, dict[str, str]] = {
    "a password": {"SPARKIFY_WAREHOUSE_PASSWORD": canary("Password")},
    "a secret key": {"AWS_SECRET_ACCESS_KEY": canary("Key")},
    "a session token": {"AWS_SESSION_TOKEN": canary("Token")},
    "an endpoint with a password": {"AWS_ENDPOINT_URL_S3": f"http://user:{canary('Endpoint')}@127.0.0.1:1"},
    "an endpoint with a password that is no URL": {
        "AWS_ENDPOINT_URL_S3": f"http://user:{canary('Endpoint')}@127.0.0.1:99999"
    },
    "an endpoint of all services with a password": {
        "AWS_ENDPOINT_URL_S3": "",
        "AWS_ENDPOINT_URL": f"http://user:{canary('Endpoint')}@127.0.0.1:1",
    },
    "a proxy with a password": {"HTTP_PROXY": f"http://user:{canary('Proxy')}@127.0.0.1:1"},
    "a bucket with a password": {"SPARKIFY_SOURCE": f"s3://user:{canary('Source')}@bucket"},
    "a place with a key in its query": {"SPARKIFY_STAGING": f"s3://bucket/x?key={canary('Staging')}"},
    "keys in the place of the role": {
        "SPARKIFY_COPY_ROLE": f"aws_access_key_id=AKIA;aws_secret_access_key={canary('Role')}"
    },
    "a host with a password": {"SPARKIFY_WAREHOUSE_HOST": f"user:{canary('Host')}@127.0.0.1"},
    "an exporter with a password": {"SPARKIFY_STATSD": f"user:{canary('Statsd')}@127.0.0.1:8125"},
    "a webhook that is no URL": {"SPARKIFY_NOTICE_URL": f"hooks.example/{canary('Notice')}"},
    "a mail server's connection without its port": {
        "SPARKIFY_NOTICE_SMTP": f"smtp://user:{canary('Smtp')}@mail.example"
    },
    "a port that is a URL": {"SPARKIFY_WAREHOUSE_PORT": f"postgresql://user:{canary('Port')}@host"},
    "an address with a password": {
        "SPARKIFY_NOTICE_EMAIL": f"user:{canary('Address')}@mail.example",
        "SPARKIFY_NOTICE_SMTP": smtp(canary("Smtp")),
    },
    "a check among others that is a password": {
        "SPARKIFY_CHECKS": f"deviations=6, user:{canary('Checks')}, songplays.volume@x"
    },
}


# Where it is not wrong usage, which no retry repairs.
CODES = {"a proxy with a password": 75}


def test_a_setting_that_is_wrong_does_not_show_its_secret(pipeline: Pipeline) -> None:
    pipeline.put_day(DAY, line())
    for what, wrong in WRONG.items():
        secrets = [text for text in map(planted, wrong.values()) if text]
        assert secrets
        for form in ("text", "json"):
            ended = pipeline.run("stage", "events", "--date", DAY, SPARKIFY_LOG=form, **wrong)
            assert shown(ended.out + ended.log, secrets) == set(), what
            assert ended.code == CODES.get(what, 64), (what, ended.log)
            assert ended.log


def planted(text: str) -> str:
    """The canary in a setting."""
    _, found, after = text.partition("Canary9")
    return found + after.partition("9")[0] + "9" if found else ""


def test_a_surprise_shows_its_traceback_and_not_the_settings_secrets(
    pipeline: Pipeline, secrets: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(args: Any, settings: Settings, log: Any) -> None:
        raise RuntimeError(f"unforeseen with {settings}")

    monkeypatch.setattr("sparkify.load.load", surprise)
    with pytest.raises(RuntimeError, match="unforeseen with Settings") as raised:
        pipeline.run(
            *("load", "--date", DAY),
            SPARKIFY_NOTICE_URL=f"https://x/{secrets['SPARKIFY_NOTICE_URL']}",
            SPARKIFY_NOTICE_SMTP=smtp(secrets["SPARKIFY_NOTICE_SMTP"]),
        )
    assert shown(str(raised.value), secrets.values()) == set()
    assert pipeline.environment["SPARKIFY_WAREHOUSE_HOST"] in str(raised.value)
