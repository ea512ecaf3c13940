"""The warehouse: connections, transactions that take turns, and what its errors mean.

The only module that imports redshift_connector.
"""

import platform
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import redshift_connector

from sparkify.errors import DataError, PassingError, SparkifyError, Terminated, UsageError
from sparkify.log import Log
from sparkify.settings import Settings
from sparkify.statements import Statement, statement

Row = Sequence[Any]
Result = TypeVar("Result")

ATTEMPTS = 5

# What passes when the whole transaction is repeated. Redshift reports its conflicts by message, not by a
# SQLSTATE of their own (Redshift Database Developer Guide,
# c_serial_isolation-serializable-isolation-troubleshooting).
_PASSING = re.compile(
    r"\b1023\b|serializable isolation violation|conflict with concurrent transaction"
    r"|could not open relation with OID|deadlock detected",
    re.IGNORECASE,
)
# Classes of SQLSTATE that say the server is away for a while: connection exceptions, out of resources,
# operator intervention (PostgreSQL documentation, appendix A). 57014 is a cancelled statement.
_AWAY = ("08", "53", "57")
# What S3 answered to COPY, as Redshift passes it on.
_S3 = re.compile(r"S3ServiceException:(.*?),Status (\d+),Error (\w+)")
# What else COPY says of rights that it lacks: of a manifest that it may not read, and of its role.
_NO_RIGHT = re.compile(
    r"MANIFEST parameter requires full path of an S3 object|not authorized to (?:assume|get credentials)",
    re.IGNORECASE,
)
# Until a connection is made; a warehouse that was paused may need some of them.
_CONNECT_SECONDS = 60
_CUT = "the connection ended before the answer did"


class _Passing(Exception):
    """The transaction is rolled back, and repeating it whole may succeed."""


@dataclass(frozen=True)
class Transaction:
    """One open connection; what it executes is committed or rolled back together."""

    connection: Any
    settings: Settings

    def execute(self, name: str, /, **parameters: object) -> int:
        """Run sql/<name>.sql; the number of rows it wrote, or -1 where the statement has none."""
        return self._execute(statement(self.settings.sql, name), parameters).rowcount  # type: ignore[no-any-return]

    def rows(self, name: str, /, **parameters: object) -> list[Row]:
        """The rows that sql/<name>.sql selects."""
        return list(self._execute(statement(self.settings.sql, name), parameters).fetchall())

    def select(self, query: Statement, /, **parameters: object) -> tuple[list[str], list[Row]]:
        """The column names and the rows that a statement selects."""
        cursor = self._execute(query, parameters)
        return [column[0] for column in cursor.description], list(cursor.fetchall())

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
    """A connection; when the worker is terminated, the statement in flight is cancelled.

    Raises:
        UsageError: the warehouse refuses the user, the password or the database.
        PassingError: it cannot be reached.
    """
    connection = _open(settings, log)
    try:
        yield connection
    except Terminated:
        _cancel(settings, log, connection)
        raise
    finally:
        with suppress(Exception):
            connection.close()


def _open(settings: Settings, log: Log) -> Any:
    where = f"{settings.host}:{settings.port}, database {settings.database}, user {settings.user}"
    # The driver asks this too, which takes a process, and swallows Terminated meanwhile. The answer is kept.
    platform.platform()
    try:
        connection = redshift_connector.connect(
            host=settings.host,
            port=settings.port,
            database=settings.database,
            user=settings.user,
            password=settings.password,
            timeout=_CONNECT_SECONDS,
            application_name=f"sparkify {log.step}",
            # Load balancers forget connections idle for 300 to 350 seconds, as one is during a long COPY.
            tcp_keepalive_idle=60,
            tcp_keepalive_interval=30,
            tcp_keepalive_count=5,
        )
        connection._read = _whole(connection._read)
        connection.autocommit = True
        connection.cursor().execute(f"set statement_timeout to {settings.statement_timeout * 1000}")
        connection.autocommit = False
        connection._usock.settimeout(None)  # other statements may take their time
    except Exception as error:  # what half an answer makes the driver raise depends on where it was cut
        code, message = _code_and_message(error)
        # 28: authorization; 3D000: no such database (PostgreSQL documentation, appendix A).
        if code.startswith(("28", "3D")):
            raise UsageError(
                f"warehouse {where}: {message}; check SPARKIFY_WAREHOUSE_USER, _PASSWORD and _DATABASE"
            ) from error
        if code:
            raise PassingError(f"warehouse {where}: {_reason(error)}") from error
        if "CERTIFICATE_VERIFY_FAILED" in message:
            raise UsageError(
                f"warehouse {where}: its certificate is not trusted: {message}; SSL_CERT_FILE names the "
                "authorities to trust"
            ) from error
        raise PassingError(
            f"warehouse {where} cannot be reached: {_reason(error)}; check SPARKIFY_WAREHOUSE_HOST, _PORT, "
            "the network, and that the warehouse is up"
        ) from error
    return connection


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
    """Run `work` in a transaction that is rolled back: it only reads."""
    with connect(settings, log) as connection:
        try:
            return work(Transaction(connection, settings))
        except (redshift_connector.Error, OSError) as error:
            raise _explained(error) from error


def write(
    settings: Settings,
    log: Log,
    lock: str | None,
    work: Callable[[Transaction], Result],
    committed: Callable[[Transaction], bool] = lambda transaction: False,
) -> Result:
    """Run `work` in one transaction, taking turns with other writers on the table `lock`, if any.

    LOCK comes first because it makes no snapshot: what `work` reads is what the writer before it left
    (Redshift Database Developer Guide, c_serial_isolation and r_LOCK). A transaction that met a conflict or
    lost its connection is repeated whole; but when the answer to its COMMIT was lost, `committed` is asked
    first, once the lock says that the other connection's transaction has ended. Work that may be done twice
    needs no `committed`.

    Raises:
        PassingError: it still failed after the last attempt.
        DataError: the warehouse refused a statement.
    """
    sent: list[Result] = []
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with connect(settings, log) as connection:
                return _attempt(Transaction(connection, settings), log, lock, work, committed, sent)
        except _Passing as error:
            reason = str(error)
        except PassingError as error:
            if attempt == 1:  # it was not there to begin with: that is for Airflow's longer pauses
                raise
            reason = str(error)
        if attempt < ATTEMPTS:
            pause = min(20.0, 0.2 * 2**attempt) * (0.5 + secrets.randbelow(1000) / 1000)
            log.warning("repeating the whole transaction", attempt=attempt, pause=pause, reason=reason)
            time.sleep(pause)
    raise PassingError(f"warehouse: gave up after {ATTEMPTS} attempts: {reason}")


def _attempt(
    transaction: Transaction,
    log: Log,
    lock: str | None,
    work: Callable[[Transaction], Result],
    committed: Callable[[Transaction], bool],
    sent: list[Result],
) -> Result:
    """One try. `sent` holds the result of a try whose COMMIT was sent and not answered."""
    try:
        # The driver sends BEGIN by itself before the first statement.
        if lock:
            transaction.run(f"lock {lock}")
        if sent:
            log.warning("an earlier COMMIT may have taken place: asking the ledger")
            if committed(transaction):
                return sent[0]
            sent.clear()
        result = work(transaction)
        sent.append(result)
        transaction.connection.commit()
    except (redshift_connector.Error, OSError) as error:
        if _may_pass(error):
            raise _Passing(_reason(error)) from error
        raise _explained(error) from error
    return result


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
    if (answer := _S3.search(message)) and answer[2].startswith("5"):
        return True
    return code == "40001" or (code.startswith(_AWAY) and code != "57014") or bool(_PASSING.search(message))


def _explained(error: Exception) -> SparkifyError:
    code, message = _code_and_message(error)
    if _may_pass(error):
        return PassingError(f"warehouse: {_reason(error)}")
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
