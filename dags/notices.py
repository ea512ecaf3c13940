"""The notice of a task that failed for good: to a webhook, by e-mail, or both, as the environment says."""

import json
import os
import re
from html import escape
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from airflow.sdk import BaseNotifier, Context

# The Airflow connection to the mail server. Its extra from_email is who the mail comes from.
SMTP_CONNECTION = "sparkify_smtp"

# What the worker's exit codes mean, and what is to be done.
_MEANINGS = {
    1: "the data or the tables are wrong: correct them, then clear the run",
    64: "the command line or a setting is wrong: correct it, then clear the run",
    75: "it could not be done now, at no try: once the cause is gone, clear the run",
    137: "it was killed, most often for too little memory",
    143: "it was terminated",
}
_SECONDS = 10


class _Undelivered(Exception):
    """Why a notice was not delivered, without the URL, which is a secret."""


class FailureNotifier(BaseNotifier):
    """Tells of a failed task; without SPARKIFY_NOTICE_URL and SPARKIFY_NOTICE_EMAIL nobody.

    A notice that can't be delivered is an error in the task's log, which does not show the URL, and does not
    keep the other way from being tried.
    """

    def notify(self, context: Context) -> None:
        title, text = _told(context)
        for variable, deliver in (("SPARKIFY_NOTICE_URL", _post), ("SPARKIFY_NOTICE_EMAIL", _mail)):
            if to := os.environ.get(variable):
                try:
                    deliver(to, title, text)
                except Exception as error:
                    self.log.error("The notice was not delivered, see %s: %s", variable, error)
                else:
                    self.log.info("The notice was delivered by %s.", variable)


def _told(context: Context) -> tuple[str, str]:
    """The notice's first line, and what follows: what the pod said, and how to look into it."""
    task, ti = context["task"], context["ti"]
    labels = getattr(task, "labels", {})
    start = context.get("data_interval_start")
    day = f"{start:%Y-%m-%d}" if start and "sparkify/day" in labels else None
    title = (
        f"Sparkify: {ti.task_id}{f' of {day}' if day else ''} failed "
        f"(DAG {ti.dag_id}, try {ti.try_number} of {ti.max_tries + 1})"
    )
    # There is none when the task's process was lost: the DAG processor calls us then.
    failure = str(context.get("exception") or "The task's process was lost; its log ends where it was.")
    found = re.search(r"exit code (\d+)", failure)
    meaning = _MEANINGS.get(int(found[1])) if found else None
    selector = ",".join([*([f"sparkify/day={day}"] if day else []), f"sparkify/step={ti.task_id}"])
    namespace = getattr(task, "namespace", "sparkify-jobs")
    lines = [
        f"Exit code {found[1]}: {meaning}." if found and meaning else None,
        failure,
        f"Its pod: kubectl logs -n {namespace} -l {selector} --prefix --tail=-1",
        f"Its log: {ti.log_url}",
    ]
    return title, "\n".join(line for line in lines if line)


def _post(url: str, title: str, text: str) -> None:
    # As Slack wants it: a log line must not become a link, or call everybody.
    told = escape(f"{title}\n{text}", quote=False)
    if not re.match("https?://", url):
        raise _Undelivered("it is not of the form https://host/path")
    request = Request(  # noqa: S310
        url, data=json.dumps({"text": told}).encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with urlopen(request, timeout=_SECONDS):  # noqa: S310
            pass
    except HTTPError as error:
        raise _Undelivered(f"the answer was {error.code} {error.reason}") from None
    except URLError as error:
        raise _Undelivered(str(error.reason)) from None
    except (OSError, HTTPException) as error:
        raise _Undelivered(type(error).__name__) from None  # its text may have the URL in it


def _mail(to: str, title: str, text: str) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook  # slow, and every DAG file would pay for it

    with SmtpHook(SMTP_CONNECTION) as smtp:
        smtp.send_email_smtp(to=to.split(","), subject=title, html_content=f"<pre>{escape(text)}</pre>")
