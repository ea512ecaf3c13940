"""The notice of a failed task: from the operator's own failure to what a webhook and a mailbox receive."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.dags.airflow_side import Cluster, ended
from tests.receiver import MailServer, Receiver, Tls, receiving, receiving_mail
from tests.worker.test_notices import LOGIN, Authority, uri
from tests.worker.test_notices import authority as authority

RUN = "backfill__2018-11-04T00:00:00+00:00"
LOG = "http://localhost:8080/dags/sparkify_daily/runs/backfill__2018-11-04T00%3A00%3A00%2B00%3A00/tasks/load?try_number=5"
TITLE = "Sparkify: load of 2018-11-03 failed (DAG sparkify_daily, try 5 of 5)"

Fail = Callable[..., str]


@pytest.fixture
def fail(bag: Any, capsys: pytest.CaptureFixture[str]) -> Fail:
    """Fail a task as its operator does when its pod ends so, and call what Airflow calls then; the log."""

    def run(
        exit_code: int = 1,
        task: str = "sparkify_daily.load",
        said: str = "",
        lost: bool = False,
    ) -> str:
        from airflow.sdk.exceptions import AirflowException
        from airflow.sdk.execution_time.task_runner import (
            RuntimeTaskInstance,
            _run_task_state_change_callbacks,
        )
        from structlog import get_logger

        dag_id, task_id = task.split(".")
        dag = bag.dags[dag_id]
        operator = dag.get_task(task_id).prepare_for_execution()
        status = ended(exit_code)
        if said:
            status.container_statuses[0].state.terminated.message = said
        with pytest.raises(AirflowException) as raised:
            Cluster(operator, status).execute(dag)
        instance = RuntimeTaskInstance.model_construct(
            id=uuid4(), dag_id=dag_id, task_id=task_id, run_id=RUN, try_number=5, map_index=-1, max_tries=4
        )
        day = {"data_interval_start": datetime(2018, 11, 3, tzinfo=UTC)}
        context = {"dag": dag, "task": operator, "ti": instance, "run_id": RUN, **day}
        if not lost:
            context["exception"] = raised.value
        capsys.readouterr()
        _run_task_state_change_callbacks(operator, "on_failure_callback", context, get_logger())
        return "".join(capsys.readouterr())

    return run


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("SPARKIFY_NOTICE_EMAIL", raising=False)
    with receiving() as receiver:
        monkeypatch.setenv("SPARKIFY_NOTICE_URL", receiver.url)
        yield receiver


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("SPARKIFY_NOTICE_URL", raising=False)
    with receiving_mail() as server:
        use(monkeypatch, server)
        yield server


def use(monkeypatch: pytest.MonkeyPatch, server: MailServer) -> None:
    extra = "disable_ssl=true&disable_tls=true&from_email=sparkify%40example.com&retry_limit=0"
    monkeypatch.setenv("AIRFLOW_CONN_SPARKIFY_SMTP", f"smtp://127.0.0.1:{server.port}/?{extra}")
    monkeypatch.setenv("SPARKIFY_NOTICE_EMAIL", "one@example.com,two@example.com")


def told(text: str) -> list[str]:
    return re.sub(r"sparkify-[a-z-]+-\w{8} failed", "POD failed", text).splitlines()


def test_a_notice_says_what_failed_why_and_how_to_look_into_it(fail: Fail, post: Receiver) -> None:
    fail(exit_code=1)
    assert [told(text) for text in post.texts] == [
        [
            TITLE,
            "Exit code 1: the data or the tables are wrong: correct them, then clear the run.",
            "Pod POD failed: exit code 1",
            "2018-11-04T00:00:01Z ERROR s3://source is not there",
            "Its pod: kubectl logs -n sparkify-jobs -l sparkify/day=2018-11-03,sparkify/step=load --prefix "
            "--tail=-1",
            f"Its log: {LOG}",
        ]
    ]


@pytest.mark.parametrize(
    ("exit_code", "meaning"),
    [
        (64, "Exit code 64: the command line or a setting is wrong"),
        (75, "Exit code 75: it could not be done now"),
        (137, "Exit code 137: it was killed"),
        (143, "Exit code 143: it was terminated"),
        (2, "Pod POD failed: exit code 2"),
    ],
)
def test_every_exit_code_has_its_meaning(fail: Fail, post: Receiver, exit_code: int, meaning: str) -> None:
    fail(exit_code=exit_code)
    assert told(post.texts[0])[1].startswith(meaning)


def test_a_task_without_a_day_names_none(fail: Fail, post: Receiver) -> None:
    fail(task="sparkify_tables.tables_create")
    title, *_, pod, _ = told(post.texts[0])
    assert title == "Sparkify: tables_create failed (DAG sparkify_tables, try 5 of 5)"
    assert pod == "Its pod: kubectl logs -n sparkify-jobs -l sparkify/step=tables_create --prefix --tail=-1"


def test_a_task_whose_process_was_lost_is_told_of_too(fail: Fail, post: Receiver) -> None:
    fail(lost=True)
    assert told(post.texts[0])[:2] == [TITLE, "The task's process was lost; its log ends where it was."]


def test_what_a_log_line_says_calls_nobody(fail: Fail, post: Receiver) -> None:
    fail(said="<!channel> a & b")
    assert "&lt;!channel&gt; a &amp; b" in post.texts[0]


def test_the_notice_is_a_mail_where_that_is_set(fail: Fail, mail: MailServer) -> None:
    fail(said="<b>é</b>")
    (message,) = mail.messages
    assert (message["From"], message["To"]) == ("sparkify@example.com", "one@example.com, two@example.com")
    assert message["Subject"] == TITLE
    body = next(part for part in message.walk() if part.get_content_type() == "text/html").get_content()
    assert "exit code 1\n&lt;b&gt;é&lt;/b&gt;\nIts pod: kubectl logs" in body


@pytest.mark.parametrize("tls", ["starttls", "at once"])
def test_the_connection_by_which_the_freshness_check_mails_is_airflows_too(
    fail: Fail, authority: Authority, monkeypatch: pytest.MonkeyPatch, tls: Tls
) -> None:
    monkeypatch.delenv("SPARKIFY_NOTICE_URL", raising=False)
    monkeypatch.setenv("SPARKIFY_NOTICE_EMAIL", "one@example.com")
    monkeypatch.setenv("SSL_CERT_FILE", authority.trusted)
    with receiving_mail(MailServer(tls=tls), authority.served) as mail:
        monkeypatch.setenv("AIRFLOW_CONN_SPARKIFY_SMTP", uri(mail))
        fail()
    assert (len(mail.messages), mail.logins) == (1, [LOGIN])


def test_both_are_told_where_both_are_set(
    fail: Fail, post: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving_mail() as server:
        use(monkeypatch, server)
        fail()
    assert (len(post.texts), len(server.messages)) == (1, 1)


def test_nobody_is_told_where_nothing_is_set(fail: Fail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARKIFY_NOTICE_URL", raising=False)
    monkeypatch.delenv("SPARKIFY_NOTICE_EMAIL", raising=False)
    assert "notice" not in fail()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (None, "the answer was 503"),
        ("http://127.0.0.1:1/canary-7c2e", "Connection refused"),
        ("canary-7c2e", "it is not of the form https://host/path"),
        ("http://127.0.0.1:1/canary-7c2e with blanks", "InvalidURL"),
    ],
)
def test_a_webhook_that_fails_is_a_line_in_the_log_and_the_mail_is_sent(
    fail: Fail, mail: MailServer, monkeypatch: pytest.MonkeyPatch, url: str | None, reason: str
) -> None:
    with receiving(503) as receiver:
        monkeypatch.setenv("SPARKIFY_NOTICE_URL", url or receiver.url)
        log = fail()
    assert f"The notice was not delivered, see SPARKIFY_NOTICE_URL: {reason}" in re.sub(
        r"\[Errno 111\] |<urlopen error ", "", log
    )
    assert "canary" not in log
    assert len(mail.messages) == 1


def test_a_mail_that_is_refused_is_a_line_in_the_log(fail: Fail, mail: MailServer) -> None:
    mail.refused = ("one@example.com", "two@example.com")
    assert "The notice was not delivered, see SPARKIFY_NOTICE_EMAIL: " in fail()
    assert mail.messages == []


def test_a_mail_server_that_is_not_there_is_a_line_in_the_log(
    fail: Fail, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_SPARKIFY_SMTP")
    assert "The notice was not delivered, see SPARKIFY_NOTICE_EMAIL: " in fail()


def test_every_task_tells_of_its_failure_and_of_nothing_else(bag: Any) -> None:
    import notices

    for dag in bag.dags.values():
        for task in dag.tasks:
            assert [type(each) for each in task.on_failure_callback] == [notices.FailureNotifier]
            assert not task.on_retry_callback
            assert not task.on_success_callback
