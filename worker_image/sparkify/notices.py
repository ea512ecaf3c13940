"""Notices for people: to a webhook, by e-mail, or both, as the settings say."""

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from html import escape
from http.client import HTTPException

from sparkify.log import Log
from sparkify.settings import MailServer, Settings

_SECONDS = 10


class _Undelivered(Exception):
    """Why a notice was not delivered, without a URL or a password."""


def send(settings: Settings, log: Log, text: str) -> None:
    """Tell of a text by each way that is set; nobody, if none is.

    Never fails: a notice that was not delivered is a warning in the log, and does not keep the other way from
    being tried.
    """
    for variable, to, deliver in (
        ("SPARKIFY_NOTICE_URL", settings.notice_url, _post),
        ("SPARKIFY_NOTICE_EMAIL", settings.notice_email, _mail),
    ):
        if to:
            try:
                deliver(settings, text)
            except _Undelivered as error:
                log.warning(f"the notice was not delivered; check {variable}", reason=error)
            else:
                log.info(f"the notice was delivered by {variable}")


def _post(settings: Settings, text: str) -> None:
    """Post it as Slack's incoming webhooks take it."""
    request = urllib.request.Request(  # noqa: S310 (the setting is of no other scheme than http and https)
        settings.notice_url,
        # As Slack wants it: nothing in the text may become a link, or call everybody.
        data=json.dumps({"text": escape(text, quote=False)}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:
        raise _Undelivered(f"the answer was {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _Undelivered(str(error.reason)) from error
    except (OSError, HTTPException) as error:
        raise _Undelivered(type(error).__name__) from error


def _mail(settings: Settings, text: str) -> None:
    """Mail it, its first clause as the subject."""
    server = settings.notice_smtp
    assert server is not None, "settings without it are refused"
    message = EmailMessage()
    message["Subject"] = " ".join(text.partition("; ")[0].split())
    message["From"] = server.sender
    message["To"] = ", ".join(settings.notice_email)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=server.sender.rpartition("@")[2])
    message.set_content(text)
    trusted = ssl.create_default_context()
    try:
        with _client(server, trusted) as smtp:
            if not server.encrypted:
                smtp.starttls(context=trusted)
            if server.user:
                smtp.login(server.user, server.password)
            refused = smtp.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        raise _Undelivered(_refusals(error.recipients)) from error
    except smtplib.SMTPResponseException as error:
        raise _Undelivered(f"the answer was {_answer(error.smtp_code, error.smtp_error)}") from error
    except OSError as error:  # smtplib's other errors among them
        raise _Undelivered(str(error) or type(error).__name__) from error
    if refused:
        raise _Undelivered(_refusals(refused))


def _client(server: MailServer, trusted: ssl.SSLContext) -> smtplib.SMTP:
    if server.encrypted:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=_SECONDS, context=trusted)
    return smtplib.SMTP(server.host, server.port, timeout=_SECONDS)


def _refusals(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{address}: {_answer(*answer)}" for address, answer in refused.items())


def _answer(code: int, text: bytes | str) -> str:
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(said.split())}"
