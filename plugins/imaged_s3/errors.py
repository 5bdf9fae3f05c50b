"""Translate boto3's errors: StoreError for one key, StoreUnavailableError for the whole store, each with advice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from imaged.api import StoreError, StoreUnavailableError, disk_error

from .options import Options

Action = Literal["PutObject", "GetObject", "ListBucket", "DeleteObject"]
"""The call, by the name of its permission."""

DENIED = "access is denied: allow s3:{action} to these credentials, in their policy or the bucket's"
CREDENTIALS_ENDED = "the credentials have expired: renew them"
OTHER_REGION = "the bucket is in another region{region}: set region to that of the bucket"
OVERLOADED = "the store is overloaded ({code}); imaged retries later; a lower upload.concurrency may help"
NO_ACL = "the bucket accepts no ACLs: leave acl out, and open the bucket by its policy"

STORE_ERRORS: dict[str, str] = {
    "NoSuchBucket": "there is no such bucket: create it, or correct bucket or endpoint_url",
    "InvalidBucketName": "the store accepts no bucket of this name: correct bucket",
    "InvalidAccessKeyId": "the store does not know this access key: correct access_key_id",
    "SignatureDoesNotMatch": "the secret does not belong to the access key: correct secret_access_key",
    "RequestTimeTooSkewed": "the clocks of this machine and of the store differ too much: set this machine's, by NTP",
    "AccessDenied": DENIED,
    "AllAccessDisabled": DENIED,
    "AccountProblem": "the store has a problem with the account: see its console or its bills",
    "ExpiredToken": CREDENTIALS_ENDED,
    "ExpiredTokenException": CREDENTIALS_ENDED,
    "TokenRefreshRequired": CREDENTIALS_ENDED,
    "InvalidToken": "the store rejects the session token of these credentials: renew them",
    "PermanentRedirect": OTHER_REGION,
    "TemporaryRedirect": OTHER_REGION,
    "AuthorizationHeaderMalformed": OTHER_REGION,
    "IllegalLocationConstraintException": OTHER_REGION,
    "AccessControlListNotSupported": NO_ACL,
    "InvalidStorageClass": "the store has no such storage class: correct storage_class",
    "SlowDown": OVERLOADED,
    "Throttling": OVERLOADED,
    "ThrottlingException": OVERLOADED,
    "RequestLimitExceeded": OVERLOADED,
    "RequestTimeout": "the upload was too slow for the store: check the bandwidth",
}
"""The meaning of error codes that concern the whole bucket."""

KEY_ONLY_CODES = {"InvalidObjectState"}
"""Error codes with status 403 that concern one key: this one, an archived object."""

NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.ConfigNotFound,
    exceptions.ConfigParseError,
    exceptions.MetadataRetrievalError,
    exceptions.UnauthorizedSSOTokenError,
    exceptions.SSOTokenLoadError,
    exceptions.TokenRetrievalError,
)

TIMEOUTS = (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError)

INTERRUPTED = (
    exceptions.ResponseStreamingError,
    exceptions.IncompleteReadError,
    exceptions.FlexibleChecksumError,
)

AMAZON = "Amazon S3"

MESSAGE_LENGTH = 200
"""The length to which a store's own messages are shortened."""


@contextmanager
def translated(action: Action, options: Options, key: str = "") -> Iterator[None]:
    """Translate all exceptions of boto3: to StoreUnavailableError if other keys would fail too, else to StoreError."""
    try:
        yield
    except ClientError as error:
        raise refusal_error(error.response, action, options, key) from error
    except BotoCoreError as error:
        if isinstance(error.kwargs.get("error"), RecursionError):  # as below, while it sends a request
            raise _redirect_error(options) from error
        raise call_error(error, options, key) from error
    except HTTPError as error:  # botocore does not wrap some of them while it reads a body
        raise _interrupted_error(options, key) from error
    except (ResponseParserError, KeyError) as error:  # KeyError: a response without a field that S3 always sends
        raise StoreUnavailableError(
            f"{options.uri}: the response of {_store(options)} is not S3; correct endpoint_url"
        ) from error
    except RecursionError as error:  # botocore follows a redirect by a request that is redirected again
        raise _redirect_error(options) from error
    except OSError as error:  # boto3 wraps its own as BotoCoreError, so this is a local file
        raise disk_error(f"{_object(options, key)}: the local file cannot be read or written", error) from error


def refusal_error(answer: Mapping[str, Any], action: Action, options: Options, key: str = "") -> StoreError:
    """Return the error for a response of the store; `answer` is the `response` of a ClientError."""
    error = answer.get("Error", {})
    code = str(error.get("Code", ""))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = STORE_ERRORS.get(code)
    if text is None and status in {301, 307}:
        text = OTHER_REGION
    if text is None and code.isdigit():  # what botocore inserts if the response has no code
        return StoreUnavailableError(
            f"{options.uri}: {_store(options)} answered {status or code} without an S3 error; check the store and "
            "endpoint_url"
        )
    if text is None and status in {401, 403} and code not in KEY_ONLY_CODES:
        text = DENIED
    if text is not None:
        region = f", {error['Region']}" if error.get("Region") else ""
        message = text.format(action=action, code=code, region=region)
        if text is DENIED and action == "GetObject":
            message += "; without s3:ListBucket, S3 also denies access to missing keys"
        return StoreUnavailableError(f"{options.uri}: {message}")
    if status == 429 or status >= 500 or code in {"InternalError", "ServiceUnavailable"}:  # noqa: PLR2004  # HTTP's
        return StoreUnavailableError(
            f"{options.uri}: the store failed with {status or code} {code}; imaged retries later"
        )
    message = _one_line(f"{code} {error.get('Message', '')}")
    return StoreError(f"{_object(options, key)}: {action} was refused ({status or 'no status'}): {message}")


def _redirect_error(options: Options) -> StoreUnavailableError:
    message = f"{_store(options)} redirects everything: set region, or correct endpoint_url, with its http or https"
    return StoreUnavailableError(f"{options.uri}: {message}")


def call_error(error: BotoCoreError, options: Options, key: str = "") -> StoreError:
    """Return the error for a call without a readable response."""
    where = _store(options)
    if isinstance(error, NO_CREDENTIALS):
        return StoreUnavailableError(
            f"{options.uri}: no credentials were found: set access_key_id and secret_access_key, or provide those "
            "that the AWS libraries look for: the environment, ~/.aws, or the role of the machine"
        )
    if isinstance(error, exceptions.SSLError):
        return StoreUnavailableError(
            f"{options.uri}: {where} has a certificate that is not trusted, or no TLS; correct endpoint_url, or set "
            "AWS_CA_BUNDLE to the certificate of its authority"
        )
    if isinstance(error, TIMEOUTS):
        return StoreUnavailableError(f"{options.uri}: {where} does not answer in time; imaged retries later")
    if isinstance(error, INTERRUPTED):
        return _interrupted_error(options, key)
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return StoreUnavailableError(f"{options.uri}: {where} cannot be reached; check endpoint_url and the firewall")
    return StoreError(f"{_object(options, key)}: {_one_line(error)}")


def _interrupted_error(options: Options, key: str) -> StoreError:
    return StoreError(f"{_object(options, key)} was cut short or damaged in transit; try again")


def _store(options: Options) -> str:
    return options.endpoint_url or AMAZON


def _object(options: Options, key: str) -> str:
    return f"{options.uri}/{key}" if key else options.uri


def _one_line(words: object) -> str:
    """Return a message as one short line."""
    return " ".join(str(words).split())[:MESSAGE_LENGTH]
