"""What boto3's errors mean: which of them are about one key, which about the whole store, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from imaged.api import StoreError, StoreUnavailableError

from .options import Options

Action = Literal["PutObject", "GetObject", "ListBucket", "DeleteObject"]
"""What is done, by the name of the permission that it takes."""

DENIED = "access is denied: allow s3:{action} to these credentials, in their policy or the bucket's"
CREDENTIALS_ENDED = "the credentials have expired: renew them"
ELSEWHERE = "the bucket is in another region{region}: set region to the one that it is in"
OVERLOADED = "the store is overloaded ({code}); it is tried again, with a lower upload.concurrency perhaps sooner"
NO_ACL = "the bucket takes no ACLs: leave acl out, and open it by its policy"

TEXTS: dict[str, str] = {
    "NoSuchBucket": "there is no such bucket: create it, or correct bucket or endpoint_url",
    "InvalidBucketName": "the store takes no bucket of this name: correct bucket",
    "InvalidAccessKeyId": "the store does not know this access key: correct access_key_id",
    "SignatureDoesNotMatch": "the secret does not belong to the access key: correct secret_access_key",
    "RequestTimeTooSkewed": "the clocks of this machine and of the store differ too much: set this machine's, by NTP",
    "AccessDenied": DENIED,
    "AllAccessDisabled": DENIED,
    "AccountProblem": "the store has a problem with the account: see its console or its bills",
    "ExpiredToken": CREDENTIALS_ENDED,
    "ExpiredTokenException": CREDENTIALS_ENDED,
    "TokenRefreshRequired": CREDENTIALS_ENDED,
    "InvalidToken": "the store does not take the session token of these credentials: renew them",
    "PermanentRedirect": ELSEWHERE,
    "TemporaryRedirect": ELSEWHERE,
    "AuthorizationHeaderMalformed": ELSEWHERE,
    "IllegalLocationConstraintException": ELSEWHERE,
    "AccessControlListNotSupported": NO_ACL,
    "InvalidStorageClass": "the store has no such storage class: correct storage_class",
    "SlowDown": OVERLOADED,
    "Throttling": OVERLOADED,
    "ThrottlingException": OVERLOADED,
    "RequestLimitExceeded": OVERLOADED,
    "RequestTimeout": "the store waited too long for our bytes; is the line full?",
}
"""What the whole bucket suffers from, by the store's own code."""

OF_ONE_KEY = {"InvalidObjectState"}
"""403 says this of an object that has been archived; the others fare better."""

KEYLESS = (
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

BROKEN_OFF = (
    exceptions.ResponseStreamingError,
    exceptions.IncompleteReadError,
    exceptions.FlexibleChecksumError,
)

AMAZON = "Amazon S3"

LONGEST_SAYING = 200
"""How many letters of a store's own words are passed on."""


@contextmanager
def translated(action: Action, options: Options, key: str = "") -> Iterator[None]:
    """Raise whatever boto3 raises as StoreError, or as StoreUnavailableError when no other key would fare better."""
    try:
        yield
    except ClientError as error:
        raise refused(error.response, action, options, key) from error
    except BotoCoreError as error:
        if isinstance(error.kwargs.get("error"), RecursionError):  # as below, but it was sending a request
            raise _redirecting(options) from error
        raise failed(error, options, key) from error
    except HTTPError as error:  # botocore lets some pass while a body is read
        raise _cut_short(options, key) from error
    except (ResponseParserError, KeyError) as error:  # KeyError: an answer without what S3's always has
        raise StoreUnavailableError(
            f"{options.place}: what {_where(options)} answers is not S3; correct endpoint_url"
        ) from error
    except RecursionError as error:  # botocore asks a store that redirects where to, with a request that is redirected
        raise _redirecting(options) from error
    except OSError as error:  # what boto3 meets in its own work are BotoCoreErrors, so this is a file of ours
        said = error.strerror or type(error).__name__
        raise StoreError(f"{_thing(options, key)}: the local file cannot be read or written: {said}") from error


def refused(answer: Mapping[str, Any], action: Action, options: Options, key: str = "") -> StoreError:
    """Return the error for an answer of the store: `answer` is the response of a ClientError."""
    error = answer.get("Error", {})
    code = str(error.get("Code", ""))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = TEXTS.get(code)
    if text is None and status in {301, 307}:
        text = ELSEWHERE
    if text is None and code.isdigit():  # botocore's stand-in where an answer has no code
        return StoreUnavailableError(
            f"{options.place}: {_where(options)} answered {status or code} without a word of S3; is it out of "
            "order, or is endpoint_url another server's?"
        )
    if text is None and status in {401, 403} and code not in OF_ONE_KEY:
        text = DENIED
    if text is not None:
        region = f", {error['Region']}" if error.get("Region") else ""
        said = text.format(action=action, code=code, region=region)
        if text is DENIED and action == "GetObject":
            said += "; without s3:ListBucket, a key that is missing is denied as well"
        return StoreUnavailableError(f"{options.place}: {said}")
    if status == 429 or status >= 500 or code in {"InternalError", "ServiceUnavailable"}:  # noqa: PLR2004  # HTTP's
        return StoreUnavailableError(
            f"{options.place}: the store is out of order, it answered {status or code} {code}; it is tried again"
        )
    said = _line(f"{code} {error.get('Message', '')}")
    return StoreError(f"{_thing(options, key)}: {action} was refused ({status or 'no status'}): {said}")


def _redirecting(options: Options) -> StoreUnavailableError:
    said = f"{_where(options)} redirects everything: set region, or correct endpoint_url, with its http or https"
    return StoreUnavailableError(f"{options.place}: {said}")


def failed(error: BotoCoreError, options: Options, key: str = "") -> StoreError:
    """Return the error for a call that got no answer, or none that can be read."""
    where = _where(options)
    if isinstance(error, KEYLESS):
        return StoreUnavailableError(
            f"{options.place}: no credentials were found: set access_key_id and secret_access_key, or see to "
            "those that the AWS libraries look for: the environment, ~/.aws, or the role of the machine"
        )
    if isinstance(error, exceptions.SSLError):
        return StoreUnavailableError(
            f"{options.place}: {where} has a certificate that is not trusted, or no TLS; correct endpoint_url, or set "
            "AWS_CA_BUNDLE to the authority that signed it"
        )
    if isinstance(error, TIMEOUTS):
        return StoreUnavailableError(f"{options.place}: {where} does not answer in time; it is tried again")
    if isinstance(error, BROKEN_OFF):
        return _cut_short(options, key)
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return StoreUnavailableError(
            f"{options.place}: {where} cannot be reached; is endpoint_url right, and is there a "
            "way through the firewall?"
        )
    return StoreError(f"{_thing(options, key)}: {_line(error)}")


def _cut_short(options: Options, key: str) -> StoreError:
    return StoreError(f"{_thing(options, key)} was cut short or damaged on its way; try again")


def _where(options: Options) -> str:
    return options.endpoint_url or AMAZON


def _thing(options: Options, key: str) -> str:
    return f"{options.place}/{key}" if key else options.place


def _line(words: object) -> str:
    """Return foreign words as one short line."""
    return " ".join(str(words).split())[:LONGEST_SAYING]
