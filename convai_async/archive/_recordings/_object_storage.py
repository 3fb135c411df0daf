"""Objects in Amazon S3, Google Cloud Storage or Azure Blob Storage; needs obstore, the extra ``cloud``.

obstore reads credentials and settings from the environment. They never appear in the errors raised here.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from anyio.to_thread import run_sync

from convai_async.errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SCHEMES = ("s3", "gs", "az")

_URL = re.compile(
    rf"(?P<scheme>{'|'.join(SCHEMES)})://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{{2,221}})"
    r"(?P<prefix>(?:/(?!\.\.?(?:/|\Z))[\w.!'()~+=@-]+)*)/?",
    re.ASCII,
)
_CODE = re.compile(r"<Code>(\w{1,60})</Code>", re.ASCII)
_STATUS = re.compile(r"status code: (\d{3})")
_NO_BUCKET_CODES = {"NoSuchBucket", "ContainerNotFound"}
_DENIED_STATUSES = {"401", "403"}
_WRONG_KEY_CODES = {
    "AuthenticationFailed",
    "AuthorizationFailure",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
_NO_CREDENTIALS = ("169.254.169.254", "token request", "MissingAccount")
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_ALLOW_HTTP = {"s3": "AWS_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}
_READ_RETRIES = 3
"""Fewer than for writes: a user waits for a read, and for the check before a harvest."""


class ObjectPrefix(msgspec.Struct, frozen=True):
    """The objects of a bucket (in Azure, a container) whose keys begin with a prefix.

    Attributes:
        scheme: ``"s3"``, ``"gs"`` or ``"az"``.
        bucket: The name of the bucket.
        prefix: The beginning of the keys, without slashes at its ends; empty for the whole bucket.
    """

    scheme: str
    bucket: str
    prefix: str

    @classmethod
    def parse(cls, url: str) -> ObjectPrefix | None:
        """Return the prefix of a URL such as ``s3://bucket/calls``; None if it is not one.

        The URL is taken literally, as by the tools of the stores: it has no percent-encoding.
        """
        found = _URL.fullmatch(url)
        return None if found is None else cls(found["scheme"], found["bucket"], found["prefix"].strip("/"))

    def get(self, name: str) -> StoredObject:
        """Return an object by its name in the prefix."""
        return StoredObject(self.scheme, self.bucket, f"{self.prefix}/{name}" if self.prefix else name)


class StoredObject(msgspec.Struct, frozen=True):
    """An object in a bucket.

    Attributes:
        scheme: ``"s3"``, ``"gs"`` or ``"az"``.
        bucket: The name of the bucket.
        key: The object's key.
    """

    scheme: str
    bucket: str
    key: str

    @property
    def url(self) -> str:
        """The object's URL."""
        return f"{self.scheme}://{self.bucket}/{self.key}"

    async def get_size(self) -> int | None:
        """Return the object's size in bytes, or None if it does not exist.

        Raises:
            ConfigurationError: The extra ``cloud`` is not installed.
            StorageError: The store cannot be reached, or does not allow it.
        """
        store = await run_sync(connect, self.scheme, self.bucket, _READ_RETRIES)
        import obstore  # noqa: PLC0415 - an extra

        with translate_errors(self.scheme, self.bucket, "read"):
            try:
                return (await obstore.head_async(store, self.key))["size"]
            except FileNotFoundError:
                return None

    async def read(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` to before ``end``.

        Raises:
            StorageError: The object was removed, or the store cannot be reached.
        """
        store = await run_sync(connect, self.scheme, self.bucket, _READ_RETRIES)
        import obstore  # noqa: PLC0415 - an extra

        with translate_errors(self.scheme, self.bucket, "read"):
            return bytes(await obstore.get_range_async(store, self.key, start=start, end=end))


def delete_objects(objects: Iterable[StoredObject]) -> None:
    """Delete objects; those that do not exist are ignored. It blocks.

    Raises:
        ConfigurationError: The extra ``cloud`` is not installed.
        StorageError: An object cannot be deleted.
    """
    keys: dict[tuple[str, str], list[str]] = {}
    for each in objects:
        keys.setdefault((each.scheme, each.bucket), []).append(each.key)
    for (scheme, bucket), names in keys.items():
        store = connect(scheme, bucket)
        import obstore  # noqa: PLC0415 - an extra

        with translate_errors(scheme, bucket, "delete from"):
            try:
                obstore.delete(store, names)  # S3 takes a thousand in one request, and ignores missing ones
            except FileNotFoundError as error:
                _raise_if_no_bucket(error)
                for name in names:
                    _delete_if_present(store, name)


def _delete_if_present(store: Any, key: str) -> None:
    import obstore  # noqa: PLC0415 - an extra

    try:
        obstore.delete(store, key)
    except FileNotFoundError as error:
        _raise_if_no_bucket(error)


def _raise_if_no_bucket(error: FileNotFoundError) -> None:
    if _find_code(error) in _NO_BUCKET_CODES:
        raise error


async def check_bucket(prefix: ObjectPrefix) -> None:
    """Check that a bucket exists and accepts the credentials, as far as a read request can tell.

    Raises:
        ConfigurationError: The extra ``cloud`` is not installed.
        StorageError: The bucket does not exist, does not accept the credentials, or cannot be reached.
    """
    store = await run_sync(connect, prefix.scheme, prefix.bucket, _READ_RETRIES)
    import obstore  # noqa: PLC0415 - an extra

    with translate_errors(prefix.scheme, prefix.bucket, "read"):
        try:
            await obstore.get_async(store, prefix.get(".convai-async").key)
        except FileNotFoundError as error:
            _raise_if_no_bucket(error)
        except obstore.exceptions.PermissionDeniedError as error:
            # Credentials that may write but not read are fine.
            if _find_code(error) in _WRONG_KEY_CODES:
                raise


@lru_cache(maxsize=32)
def connect(scheme: str, bucket: str, max_retries: int | None = None) -> Any:
    """Return obstore's store for a bucket, with the credentials and settings of the environment.

    The first time takes 50 ms, as it reads the system's certificates: call it in a thread.

    Args:
        scheme: ``"s3"``, ``"gs"`` or ``"az"``.
        bucket: The name of the bucket.
        max_retries: How often to repeat a request; None for obstore's default: 10 times, for up to 3 minutes.

    Raises:
        ConfigurationError: The extra ``cloud`` is not installed.
        StorageError: The settings are not valid.
    """
    try:
        from obstore import store  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"recordings in {scheme}://{bucket} need an extra: pip install 'convai-async[cloud]'"
        ) from None
    kind: Any = {"s3": store.S3Store, "gs": store.GCSStore, "az": store.AzureStore}[scheme]
    with translate_errors(scheme, bucket, "use"):
        return kind(bucket, retry_config=None if max_retries is None else {"max_retries": max_retries})


@contextmanager
def translate_errors(scheme: str, bucket: str, action: str) -> Iterator[None]:
    """Turn obstore's errors into `StorageError`.

    Their own text has URLs and headers, in which there can be a token.

    Args:
        scheme: The scheme of the bucket's URL.
        bucket: The name of the bucket.
        action: The verb for what cannot be done with the bucket.
    """
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        problem, retryable = _explain(error, scheme)
        translated = StorageError(f"cannot {action} {scheme}://{bucket}: {problem}")
        translated.retryable = retryable
        raise translated from None


def _explain(error: Exception, scheme: str) -> tuple[str, bool]:
    """Return what went wrong and what to do, and whether the same request may succeed later."""
    text, code, status = str(error), _find_code(error), _STATUS.search(str(error))
    name = code or (f"status {status[1]}" if status else "")
    if code in _NO_BUCKET_CODES:
        problem = "it does not exist: create it, or correct the URL"
    elif isinstance(error, FileNotFoundError):
        problem = "there is no such object"
    elif any(each in text for each in _NO_CREDENTIALS):
        problem = f"no credentials were found: set {_CREDENTIALS[scheme]} in the environment"
    elif code in _WRONG_KEY_CODES or (status and status[1] in _DENIED_STATUSES):
        problem = f"access was denied ({name}): check the credentials and their permissions"
    elif status:
        return f"the store responded with {name}", status[1].startswith("5")
    elif "BadScheme" in text:
        problem = f"its endpoint is not https: set {_ALLOW_HTTP[scheme]}=true if that is intended"
    elif "Error performing" in text:
        return "the store cannot be reached: check the network, the region and the endpoint", True
    else:
        problem = "a setting of the store in the environment is not valid"
    return problem, False


def _find_code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found[1] if found else ""
