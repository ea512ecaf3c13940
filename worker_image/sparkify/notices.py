"""Notices for people, posted to a webhook."""

import json
import urllib.error
import urllib.request
from html import escape
from http.client import HTTPException

from sparkify.log import Log
from sparkify.settings import Settings

_SECONDS = 10


def post(settings: Settings, log: Log, text: str) -> None:
    """Post a text to SPARKIFY_NOTICE_URL, if there is one, as Slack's incoming webhooks take it.

    Never fails: a notice that was not delivered is a warning in the log, which does not show the URL.
    """
    if not settings.notice_url:
        return
    request = urllib.request.Request(  # noqa: S310 (the setting is of no other scheme than http and https)
        settings.notice_url,
        # As Slack wants it: nothing in the text may become a link, or call everybody.
        data=json.dumps({"text": escape(text, quote=False)}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310
            log.info("the notice was delivered")
    except urllib.error.HTTPError as error:
        _undelivered(log, f"the answer was {error.code} {error.reason}")
    except urllib.error.URLError as error:
        _undelivered(log, str(error.reason))
    except (OSError, HTTPException) as error:
        _undelivered(log, type(error).__name__)


def _undelivered(log: Log, reason: str) -> None:
    log.warning("the notice was not delivered; check SPARKIFY_NOTICE_URL", reason=reason)
