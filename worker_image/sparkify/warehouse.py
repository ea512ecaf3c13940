"""The warehouse: connections, transactions that take turns, and what its errors mean.

The only module that imports redshift_connector.
"""

import platform
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import redshift_connector
import tenacity
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
)

from sparkify.errors import DataError, PassingError, SparkifyError, Terminated, UsageError
from sparkify.log import Log
from sparkify.settings import Settings
from sparkify.statements import Statement, statement

Row = Sequence[Any]
Result = TypeVar("Result")

# A transaction is tried so often, and none is begun anew once the time limit of a statement is over.
ATTEMPTS = 5
_PAUSE = tenacity.wait_random_exponential(multiplier=0.4, min=0.1, max=20)


@dataclass(frozen=True)
class _Passes:
    """An error that passes when the transaction is repeated, by its SQLSTATE's beginning or its message."""

    page: str  # that says so
    sqlstate: str | None = None
    message: str | None = None

    def fits(self, sqlstate: str, message: str) -> bool:
        return (self.sqlstate is not None and sqlstate.startswith(self.sqlstate)) or (
            self.message is not None and re.search(self.message, message, re.IGNORECASE) is not None
        )


_GUIDE = "https://docs.aws.amazon.com/redshift/latest/dg"
_SQLSTATES = "https://www.postgresql.org/docs/current/errcodes-appendix.html"
# All that passes. Redshift reports its conflicts by message, not by a SQLSTATE of their own.
PASSING = (
    _Passes(
        f"{_GUIDE}/c_serial_isolation-serializable-isolation-troubleshooting.html",
        sqlstate="40001",
        message=r"^\W*(ERROR\W*)?1023\b|serializable isolation violation",
    ),
    _Passes(
        f"{_GUIDE}/r_Serializable_isolation_example.html", message="conflict with concurrent transaction"
    ),
    _Passes(f"{_GUIDE}/c_write_readwrite.html", sqlstate="40P01", message="deadlock detected"),
    # A table that another session dropped and made anew meanwhile.
    _Passes(
        "https://github.com/dbt-labs/dbt-adapters/issues/617", message="could not open relation with OID"
    ),
    # The connection is lost, out of resources, and the server is stopped or restarts.
    _Passes(_SQLSTATES, sqlstate="08"),
    _Passes(_SQLSTATES, sqlstate="53"),
    _Passes(_SQLSTATES, sqlstate="57P"),
    _Passes(f"{_GUIDE}/s3serviceexception-error.html", message=r"S3ServiceException:.*?,Status 5\d\d"),
)
# What S3 answered to COPY, as Redshift passes it on.
_S3 = re.compile(r"S3ServiceException:(.*?),Status (\d+),Error (\w+)")
# What else COPY says of rights that it lacks: of a manifest that it may not read, and of its role.
_NO_RIGHT = re.compile(
    r"MANIFEST parameter requires full path of an S3 object|not authorized to (?:assume|get credentials)",
    re.IGNORECASE,
)
# Until a connection is made; a warehouse that was paused may need some of them.
_CONNECT_SECONDS = 60
# After the time limit of a statement, until a server that does not report it counts as gone.
_SILENT_SECONDS = 60
_CUT = "the connection ended before the answer did"


class _Passing(Exception):
    """The transaction is rolled back, and repeating it whole may succeed."""


class _Unreachable(PassingError):
    """There is no connection."""


@dataclass(frozen=True)
class Transaction:
    """One open connection; what it executes is committed or rolled back together."""

    connection: Any
    settings: Settings

    def execute(self, name: str, /, **parameters: object) -> int:
        """Run sql/<name>.sql; the number of rows it wrote, or -1 where the statement has none."""
        return self.insert(statement(self.settings.sql, name), **parameters)

    def rows(self, name: str, /, **parameters: object) -> list[Row]:
        """The rows that sql/<name>.sql selects."""
        return list(self._execute(statement(self.settings.sql, name), parameters).fetchall())

    def record(self, name: str, /, **parameters: object) -> dict[str, object]:
        """The one row that sql/<name>.sql selects, by the names of its columns."""
        columns, (row,) = self.select(statement(self.settings.sql, name), **parameters)
        return dict(zip(columns, row, strict=True))

    def select(self, query: Statement, /, **parameters: object) -> tuple[list[str], list[Row]]:
        """The column names and the rows that a statement selects."""
        cursor = self._execute(query, parameters)
        return [column[0] for column in cursor.description], list(cursor.fetchall())

    def insert(self, query: Statement, /, **parameters: object) -> int:
        """The number of rows that a statement wrote."""
        return self._execute(query, parameters).rowcount  # type: ignore[no-any-return]

    def insert_rows(self, name: str, /, rows: Sequence[Mapping[str, object]]) -> None:
        """Run sql/<name>.sql, an INSERT of one row, for all of these in one statement."""
        if rows:
            numbered = enumerate(rows, start=1)
            parameters = {f"{key}_{number}": value for number, row in numbered for key, value in row.items()}
            self._execute(statement(self.settings.sql, name).of_rows(len(rows)), parameters)

    @property
    def warnings(self) -> set[str]:
        """The SQLSTATEs of what the server warned of since the connection was made."""
        return {notice[b"C"].decode() for notice in self.connection.notices if b"C" in notice}

    def run(self, text: str) -> None:
        """Run SQL that is not in a file."""
        self.connection.cursor().execute(text)

    def copy(self, name: str, /, **literals: str) -> int:
        """Run the COPY of sql/<name>.sql, its parameters replaced by SQL text; the rows it loaded."""
        cursor = self.connection.cursor()
        cursor.execute(statement(self.settings.sql, name).with_literals(literals))
        # cursor.rowcount is not set by COPY: Redshift Database Developer Guide, PG_LAST_COPY_COUNT.
        cursor.execute("select pg_last_copy_count()")
        return int(cursor.fetchone()[0])

    def _execute(self, query: Statement, parameters: dict[str, object]) -> Any:
        cursor = self.connection.cursor()
        cursor.paramstyle = "named"
        used = {name: parameters[name] for name in query.parameters}
        cursor.execute(query.text, used or None)
        return cursor


@contextmanager
def connect(settings: Settings, log: Log) -> Iterator[Any]:
    """A connection; when the worker is terminated, or hears nothing, the statement in flight is cancelled.

    Raises:
        UsageError: the warehouse refuses the user, the password or the database.
        PassingError: it cannot be reached.
    """
    connection = _open(settings, log)
    try:
        yield connection
    except (Terminated, TimeoutError):
        _cancel(settings, log, connection)
        raise
    finally:
        _close(connection)


def _open(settings: Settings, log: Log) -> Any:
    where = f"{settings.host}:{settings.port}, database {settings.database}, {_way_in(settings)}"
    # The driver asks this too, which takes a process, and swallows Terminated meanwhile. The answer is kept.
    platform.platform()
    try:
        connection = redshift_connector.connect(
            host=settings.host,
            port=settings.port,
            database=settings.database,
            **login(settings),
            # The certificate's name, too; the driver's default lets another name pass with a warning.
            sslmode="verify-full",
            timeout=_CONNECT_SECONDS,
            application_name=f"sparkify {log.step}",
            # Load balancers forget connections idle for 300 to 350 seconds, as one is during a long COPY.
            tcp_keepalive_idle=60,
            tcp_keepalive_interval=30,
            tcp_keepalive_count=5,
        )
        try:
            _prepare(connection, settings)
        except BaseException:
            _close(connection)
            raise
    except (ClientError, BotoCoreError) as error:
        raise _refused(error, where, settings) from error
    except Exception as error:  # what half an answer makes the driver raise depends on where it was cut
        code, message = _code_and_message(error)
        # 28: authorization; 3D000: no such database (PostgreSQL documentation, appendix A).
        if code.startswith(("28", "3D")):
            raise UsageError(
                f"warehouse {where}: {message}; check SPARKIFY_WAREHOUSE_USER, _PASSWORD and _DATABASE"
                if settings.password
                else f"warehouse {where}: {message}; check SPARKIFY_WAREHOUSE_DATABASE, and that the role's "
                "database user may connect to it"
            ) from error
        if code:
            raise _Unreachable(f"warehouse {where}: {_reason(error)}") from error
        if "CERTIFICATE_VERIFY_FAILED" in message:
            raise UsageError(
                f"warehouse {where}: its certificate is not trusted: {message}; SSL_CERT_FILE names the "
                "authorities to trust"
            ) from error
        raise _Unreachable(
            f"warehouse {where} cannot be reached: {_reason(error)}; check SPARKIFY_WAREHOUSE_HOST, _PORT, "
            "the network, and that the warehouse is up"
        ) from error
    return connection


def _prepare(connection: Any, settings: Settings) -> None:
    connection._read = _whole(connection._read)
    connection.autocommit = True
    connection.cursor().execute(f"set statement_timeout to {settings.statement_timeout * 1000}")
    connection.autocommit = False
    # The driver sends a long statement in pieces. The last would wait for the server to acknowledge those
    # before, which takes it 40 ms where it has nothing to say (RFC 1122, 4.2.3.2 and 4.2.3.4).
    connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A statement takes as long as the server lets it; a server that is silent for longer is gone.
    connection._usock.settimeout(settings.statement_timeout + _SILENT_SECONDS)


def _close(connection: Any) -> None:
    with suppress(Exception):  # it may be gone already
        connection.close()


def _way_in(settings: Settings) -> str:
    if settings.password:
        return f"user {settings.user}"
    name = f"workgroup {settings.workgroup}" if settings.workgroup else f"cluster {settings.cluster}"
    return f"by IAM to {name}"


def login(settings: Settings) -> dict[str, Any]:
    """How the driver logs in. By IAM it asks AWS for a password that lasts some minutes, for each connection
    anew; one that is open outlives its password (Redshift Management Guide, generating-user-credentials)."""
    if settings.password:
        return {"user": settings.user, "password": settings.password}
    iam = {"iam": True, "iam_disable_cache": True, "region": settings.region}
    if settings.workgroup:
        return {**iam, "is_serverless": True, "serverless_work_group": settings.workgroup}
    return {**iam, "cluster_identifier": settings.cluster, "group_federation": True}


def _refused(error: Exception, where: str, settings: Settings) -> SparkifyError:
    """What it means that AWS gave no password."""
    if not isinstance(error, ClientError):
        if isinstance(error, (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)):
            return UsageError(
                f"warehouse {where}: there are no AWS credentials; give the pod's ServiceAccount a role "
                f"({error})"
            )
        return _Unreachable(f"warehouse {where}: AWS gave no password: {error}")
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if "Throttl" in code or "LimitExceeded" in code or status >= 500:
        return _Unreachable(f"warehouse {where}: AWS gave no password: {message} ({code})")
    action, variable = (
        ("redshift-serverless:GetCredentials", "SPARKIFY_WAREHOUSE_WORKGROUP")
        if settings.workgroup
        else ("redshift:GetClusterCredentialsWithIAM", "SPARKIFY_WAREHOUSE_CLUSTER")
    )
    return UsageError(
        f"warehouse {where}: AWS gave no password: {message} ({code}); the worker's role needs {action}, and "
        f"{variable} and AWS_REGION must be right"
    )


def _whole(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """The driver's way to read, but never less than was asked for.

    The driver takes what a broken connection still gave for the whole: it may fail in any way, or not at all.
    """

    def whole(size: int) -> bytes:
        data = read(size)
        if len(data) < size:
            raise redshift_connector.InterfaceError(_CUT)
        return data

    return whole


def _cancel(settings: Settings, log: Log, connection: Any) -> None:
    """Cancel what the connection runs, over a second one.

    Closing a connection leaves the statement running until it next writes to the client: Redshift Database
    Developer Guide, PG_CANCEL_BACKEND.
    """
    process = int.from_bytes(connection._backend_key_data[:4], "big")
    with suppress(SparkifyError, redshift_connector.Error, OSError):
        second = _open(settings, log)
        second.cursor().execute(f"select pg_cancel_backend({process})")
        second.close()
        log.warning("cancelled the statement in flight")


def read(settings: Settings, log: Log, work: Callable[[Transaction], Result]) -> Result:
    """Run `work` in a transaction that is rolled back: it only reads. Repeated and failing as `write`."""
    return _repeated(settings, log, work)


def write(
    settings: Settings,
    log: Log,
    lock: str | None,
    work: Callable[[Transaction], Result],
    committed: Callable[[Transaction], bool] | None = None,
) -> Result:
    """Run `work` in one transaction, taking turns with other writers on the table `lock`, if any.

    LOCK comes first because it makes no snapshot: what `work` reads is what the writer before it left
    (Redshift Database Developer Guide, c_serial_isolation and r_LOCK). A transaction that met what PASSING
    lists, or lost its connection, is repeated whole; but when the answer to its COMMIT was lost, `committed`
    is asked first, once the lock says that the other connection's transaction has ended. Work that may be
    done twice needs no `committed`.

    Raises:
        PassingError: it still failed after the last attempt, or took too long.
        DataError: the warehouse refused a statement.
    """
    sent: list[Result] = []  # the result of an attempt whose COMMIT was sent and not answered

    def attempt(transaction: Transaction) -> Result:
        # The driver sends BEGIN by itself before the first statement.
        if lock:
            transaction.run(f"lock {lock}")
        if sent and committed:
            log.warning("an earlier COMMIT may have taken place: asking the ledger")
            if committed(transaction):
                return sent[0]
        sent.clear()
        result = work(transaction)
        sent.append(result)
        transaction.connection.commit()
        return result

    return _repeated(settings, log, attempt)


def _repeated(settings: Settings, log: Log, attempt: Callable[[Transaction], Result]) -> Result:
    """Try until an attempt does not fail in a way that passes, each on a connection of its own."""

    def failure(tried: tenacity.RetryCallState) -> BaseException | None:
        return tried.outcome.exception() if tried.outcome else None

    def passes(tried: tenacity.RetryCallState) -> bool:
        error = failure(tried)
        # A warehouse that was not there to begin with is for Airflow's longer pauses.
        return isinstance(error, _Passing) or (isinstance(error, _Unreachable) and tried.attempt_number > 1)

    def warn(tried: tenacity.RetryCallState) -> None:
        log.warning(
            "repeating the whole transaction",
            attempt=tried.attempt_number,
            pause=tried.upcoming_sleep,
            reason=failure(tried),
        )

    def give_up(tried: tenacity.RetryCallState) -> NoReturn:
        reason = failure(tried)
        raise PassingError(f"warehouse: gave up after {tried.attempt_number} attempts: {reason}") from reason

    retrying = tenacity.Retrying(
        retry=passes,
        wait=_PAUSE,
        stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_after_delay(settings.statement_timeout),
        before_sleep=warn,
        retry_error_callback=give_up,
    )
    result: Result = retrying(_once, settings, log, attempt)
    return result


def _once(settings: Settings, log: Log, attempt: Callable[[Transaction], Result]) -> Result:
    try:
        with connect(settings, log) as connection:
            return attempt(Transaction(connection, settings))
    except (redshift_connector.Error, OSError) as error:
        if _may_pass(error):
            raise _Passing(_reason(error)) from error
        raise _explained(error) from error


def _code_and_message(error: Exception) -> tuple[str, str]:
    # The driver raises the fields of the server's ErrorResponse as one dict.
    if error.args and isinstance(error.args[0], dict):
        return str(error.args[0].get("C", "")), str(error.args[0].get("M", ""))
    if isinstance(error, redshift_connector.Error):
        return "", ": ".join(map(str, error.args))
    return "", str(error)


def _reason(error: Exception) -> str:
    code, message = _code_and_message(error)
    if not isinstance(error, (redshift_connector.Error, OSError)):
        return f"{_CUT} ({type(error).__name__}: {error})"
    if code == "53100":
        return f"{message} ({code}); make room in the warehouse"
    return f"{message} ({code})" if code else f"{message or type(error).__name__}"


def _context(error: Exception) -> str:
    """What a failed COPY says of where it failed, in the details of its error."""
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    context = re.search(r"context: *(\S.*)", str(fields.get("D", "")))
    return f", {context[1].strip()}" if context else ""


def _may_pass(error: Exception) -> bool:
    code, message = _code_and_message(error)
    if not code:  # not an answer of the server: the connection is gone
        return isinstance(
            error, (redshift_connector.InterfaceError, redshift_connector.OperationalError, OSError)
        )
    return any(each.fits(code, message) for each in PASSING)


def _explained(error: Exception) -> SparkifyError:
    """What an error that does not pass means."""
    code, message = _code_and_message(error)
    answer = _S3.search(message)
    if (answer and answer[2] in ("401", "403")) or _NO_RIGHT.search(message):
        said = f"{answer[1]} ({answer[3]})" if answer else message
        return UsageError(
            f"warehouse: COPY may not read S3: {said}{_context(error)}; attach the role that "
            "SPARKIFY_COPY_ROLE names to the warehouse, and let it read SPARKIFY_STAGING (s3:GetObject, "
            "s3:ListBucket)"
        )
    if code in ("42P01", "42703"):  # a table or a column that is not there
        return DataError(f"warehouse: {message}; make the tables with: sparkify tables create")
    if code == "57014":
        return PassingError(f"warehouse: {message}; SPARKIFY_STATEMENT_TIMEOUT sets the limit")
    if code == "42501":
        return UsageError(f"warehouse: {message}; grant the right to SPARKIFY_WAREHOUSE_USER")
    return DataError(f"warehouse: {_reason(error)}")
