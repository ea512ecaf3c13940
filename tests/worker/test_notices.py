"""The notice of a late day by e-mail: to a mail server that speaks TLS, and what is said if it fails."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from redshift_sandbox import Endpoint
from redshift_sandbox.tls import certificates
from tests.command import Ended, run
from tests.receiver import MailServer, receiving, receiving_mail
from tests.star.conftest import Pipeline
from tests.worker.test_command_line import COMPLETE
from tests.worker.test_freshness import NEXT_DUE, message
from tests.worker.test_freshness import loaded as loaded

PASSWORD = "canary-p@ss/9d1f"
LOGIN = ["AKIA+mail", PASSWORD]
# As docs/watching.md has the connection's URI: what follows the port.
FORMS = {"starttls": "disable_ssl=true", "at once": "disable_tls=true"}


@dataclass(frozen=True)
class Authority:
    """A mail server's certificate, and a file of whom a worker trusts: the warehouse's authority, and its."""

    served: ssl.SSLContext
    trusted: str


@pytest.fixture(scope="module")
def authority(sandbox: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("mail")
    made = certificates(folder / "tls", ["127.0.0.1"])
    trusted = folder / "trusted.pem"
    trusted.write_text(Path(sandbox.ca_file).read_text() + made.ca_file.read_text())
    return Authority(made.server_context(), str(trusted))


@pytest.fixture(params=FORMS)
def mail(request: pytest.FixtureRequest, authority: Authority) -> Iterator[MailServer]:
    with receiving_mail(MailServer(tls=request.param), authority.served) as server:
        yield server


def uri(server: MailServer, host: str = "127.0.0.1", tls: str = "") -> str:
    user, password = (quote(each, safe="") for each in LOGIN)
    form = f"{FORMS[tls or server.tls]}&from_email=sparkify%40example.com&timeout=30"
    return f"smtp://{user}:{password}@{host}:{server.port}/?{form}"


def late(pipeline: Pipeline, server: MailServer, authority: Authority, **environment: str) -> Ended:
    """What is said of a late day; exit code 1, whatever becomes of the notice."""
    told = {
        "SPARKIFY_NOTICE_EMAIL": "one@example.com,two@example.com",
        "SPARKIFY_NOTICE_SMTP": environment.get("SPARKIFY_NOTICE_SMTP") or uri(server),
        "SSL_CERT_FILE": authority.trusted,
    }
    ended = pipeline.run("freshness", "--as-of", NEXT_DUE, "--days", "2", **{**told, **environment})
    assert (ended.code, ended.out) == (1, "")
    assert "canary" not in ended.log
    return ended


def undelivered(ended: Ended) -> str:
    """The reason in the one warning; the line about the day is the only other."""
    warning, error = ended.log.splitlines()
    assert " ERROR   late: 2018-11-04 is not loaded; " in error
    assert " WARNING the notice was not delivered; check SPARKIFY_NOTICE_EMAIL  step=freshness" in warning
    return warning.partition(" reason=")[2].strip('"')


def test_a_late_day_is_one_mail_with_the_line_that_the_log_has(
    loaded: Pipeline, mail: MailServer, authority: Authority
) -> None:
    ended = late(loaded, mail, authority)
    (came,) = mail.messages
    assert mail.logins == [LOGIN]
    assert (came["From"], came["To"]) == ("sparkify@example.com", "one@example.com, two@example.com")
    assert came["Subject"] == f"Sparkify of s3://{loaded.bucket}/: late: 2018-11-04 is not loaded"
    assert came["Message-ID"].endswith("@example.com>")
    assert came["Date"]
    assert came.get_content().splitlines() == [f"Sparkify of s3://{loaded.bucket}/: {message(ended)}"]
    delivered, _ = ended.log.splitlines()
    assert " INFO    the notice was delivered by SPARKIFY_NOTICE_EMAIL  step=freshness" in delivered


def test_a_day_that_is_not_late_is_no_mail(loaded: Pipeline, mail: MailServer, authority: Authority) -> None:
    told = {"SPARKIFY_NOTICE_EMAIL": "one@example.com", "SPARKIFY_NOTICE_SMTP": uri(mail)}
    ended = loaded.run("freshness", "--as-of", "2018-11-04T06:00", "--days", "2", **told)
    assert (ended.code, ended.log) == (0, "")
    assert (mail.messages, mail.logins) == ([], [])


def test_a_server_that_asks_for_no_password_is_told_none(loaded: Pipeline, authority: Authority) -> None:
    with receiving_mail(MailServer(tls="starttls"), authority.served) as mail:
        way = f"smtp://127.0.0.1:{mail.port}?{FORMS['starttls']}&from_email=sparkify%40example.com"
        late(loaded, mail, authority, SPARKIFY_NOTICE_SMTP=way)
    assert (len(mail.messages), mail.logins) == (1, [])


def test_webhook_and_mail_are_both_told_and_each_though_the_other_fails(
    loaded: Pipeline, authority: Authority
) -> None:
    for status, unknown in ((200, False), (404, False), (200, True)):
        server = MailServer(tls="starttls", unknown=unknown)
        with receiving(status) as webhook, receiving_mail(server, authority.served) as mail:
            late(loaded, mail, authority, SPARKIFY_NOTICE_URL=webhook.url)
        assert (len(webhook.texts), len(mail.messages)) == (1, 0 if unknown else 1)


def test_a_login_that_is_refused_is_one_line(
    loaded: Pipeline, mail: MailServer, authority: Authority
) -> None:
    mail.unknown = True
    assert undelivered(late(loaded, mail, authority)) == "the answer was 535 nobody of that name"
    assert mail.messages == []


def test_addresses_that_are_refused_are_named_and_the_others_have_the_mail(
    loaded: Pipeline, mail: MailServer, authority: Authority
) -> None:
    mail.refused = ("two@example.com",)
    two = "two@example.com: 550 nobody of that name"
    assert undelivered(late(loaded, mail, authority)) == two
    assert len(mail.messages) == 1
    mail.refused = ("one@example.com", "two@example.com")
    one = "one@example.com: 550 nobody of that name"
    assert undelivered(late(loaded, mail, authority)) == f"{one}, {two}"
    assert len(mail.messages) == 1


def test_a_certificate_that_is_not_trusted_is_one_line_and_no_password_is_sent(
    loaded: Pipeline, mail: MailServer, authority: Authority, sandbox: Endpoint
) -> None:
    strange = late(loaded, mail, authority, SSL_CERT_FILE=sandbox.ca_file)
    assert "certificate verify failed: unable to get local issuer certificate" in undelivered(strange)
    other = late(loaded, mail, authority, SPARKIFY_NOTICE_SMTP=uri(mail, "localhost"))
    assert "Hostname mismatch, certificate is not valid for 'localhost'" in undelivered(other)
    assert (mail.messages, mail.logins) == ([], [])


def test_a_server_without_tls_gets_neither_password_nor_mail(loaded: Pipeline, authority: Authority) -> None:
    with receiving_mail() as mail:
        for tls, said in (
            ("starttls", "STARTTLS extension not supported by server."),
            ("at once", "wrong version number"),
        ):
            ended = late(loaded, mail, authority, SPARKIFY_NOTICE_SMTP=uri(mail, tls=tls))
            assert said in undelivered(ended)
    assert (mail.messages, mail.logins) == ([], [])


def test_a_server_that_is_not_there_is_one_line(loaded: Pipeline, authority: Authority) -> None:
    for tls in ("starttls", "at once"):
        ended = late(loaded, MailServer(tls=tls, port=1), authority)
        assert undelivered(ended) == "[Errno 111] Connection refused"


FORM = (
    "SPARKIFY_NOTICE_SMTP is not of the form smtp://USER:PASSWORD@HOST:587?disable_ssl=true&from_email=FROM"
)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"SPARKIFY_NOTICE_EMAIL": "nobody"}, "SPARKIFY_NOTICE_EMAIL='nobody' is not of the form name@host"),
        ({"SPARKIFY_NOTICE_EMAIL": "a@b, c@d"}, "SPARKIFY_NOTICE_EMAIL is not of the form name@host"),
        (
            {"SPARKIFY_NOTICE_EMAIL": "a@b"},
            "SPARKIFY_NOTICE_EMAIL needs SPARKIFY_NOTICE_SMTP, the way to the mail server",
        ),
        *(
            ({"SPARKIFY_NOTICE_EMAIL": "a@b", "SPARKIFY_NOTICE_SMTP": way}, FORM)
            for way in (
                "canary",
                "https://u:canary@host:587?from_email=a%40b",
                "smtp://u:canary@host?from_email=a%40b",
                "smtp://u:canary@host:99999?from_email=a%40b",
                "smtp://u:canary@:587?from_email=a%40b",
                "smtp://u:canary@host:587",
                "smtp://u:canary@host:587?from_email=nobody",
                "smtp://u:canary@host:587?from_email=a%40b%0d%0aBcc:%20c%40d",
                "smtp://canary@host:587?from_email=a%40b",
                "smtp://u:canary%C3%A9@host:587?from_email=a%40b",
            )
        ),
        (
            {
                "SPARKIFY_NOTICE_EMAIL": "a@b",
                "SPARKIFY_NOTICE_SMTP": "smtp://u:canary@h:25?disable_ssl=true&disable_tls=true&from_email=a%40b",
            },
            "SPARKIFY_NOTICE_SMTP disables TLS by both ways",
        ),
    ],
)
def test_a_way_that_is_none_is_refused_and_not_shown(environment: dict[str, str], said: str) -> None:
    ended = run(("freshness",), {**COMPLETE, **environment})
    assert ended.code == 64
    assert f"settings: {said}" in ended.log
    assert "canary" not in ended.log
    assert len(ended.log.splitlines()) == 1
