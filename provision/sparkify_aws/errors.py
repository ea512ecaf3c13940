"""What can be expected to go wrong, each with an exit code, as `sparkify` has them."""

from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)


class AwsError(Exception):
    """An expected failure: one line that says what happened, where, and what to do."""

    exit_code = 1


class UsageError(AwsError):
    """The command line, the settings or the caller's rights are wrong."""

    exit_code = 64


class PassingError(AwsError):
    """A failure that may pass by itself: the same command goes on where this one stopped."""

    exit_code = 75


_EXPIRED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "AuthFailure",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"}
_PASSING = {"InternalError", "InternalFailure", "InternalServerException", "ServerException", "SlowDown"}
_PASSING |= {"ServiceUnavailable", "ServiceUnavailableException", "RequestTimeout", "OperationAborted"}
_TAKEN = {"BucketAlreadyExists", "EntityAlreadyExists", "ClusterAlreadyExists", "ConflictException"}
_TAKEN |= {"ClusterSubnetGroupAlreadyExists", "InvalidGroup.Duplicate", "ResourceInUseException"}


def explained(error: ClientError | BotoCoreError) -> AwsError:
    """What an error of AWS or of its library means, in one line."""
    if isinstance(error, ClientError):
        return _refused(error)
    text = " ".join(str(error).split())
    if isinstance(error, (NoCredentialsError, PartialCredentialsError, ProfileNotFound)):
        return UsageError(f"no AWS credentials: {text}; log in (aws sso login) or set AWS_PROFILE")
    if isinstance(error, (SSOError, TokenRetrievalError, CredentialRetrievalError)):
        return UsageError(
            f"the AWS credentials have expired: {text}; log in, and type the same command again"
        )
    if isinstance(error, (ConnectionError, HTTPClientError)):
        return PassingError(f"AWS cannot be reached: {text}; type the same command again")
    return AwsError(f"AWS: {text}")


def code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _refused(error: ClientError) -> AwsError:
    answer: dict[str, Any] = error.response.get("Error", {})
    name, status = code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    what = f"{error.operation_name}: {' '.join(str(answer.get('Message', '')).split())} ({name})"
    if name in _EXPIRED:
        return UsageError(
            f"{what}; the AWS credentials have expired: log in, and type the same command again"
        )
    if name in _DENIED:
        return UsageError(f"{what}; docs/aws.md lists the rights that sparkify-aws needs")
    if "Throttl" in name or "TooManyRequests" in name or name in _PASSING or status >= 500:
        return PassingError(f"{what}; type the same command again: it goes on")
    if "LimitExceeded" in name or "QuotaExceeded" in name or "Quota" in name or name == "TooManyBuckets":
        return AwsError(
            f"{what}; a quota of the account is reached: raise it in Service Quotas, and type again"
        )
    if name in _TAKEN:
        return AwsError(f"{what}; choose another prefix, or wait until what has the name is gone")
    return AwsError(what)
