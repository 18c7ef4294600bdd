"""Kaggle's own client, whose failures become one line that says what to click or set.

The client prints, exits and sleeps, and its exceptions may contain a signed URL or the token itself. So nothing that it
prints or raises is passed on: only the kind of failure, and Kaggle's own message with credentials removed.
"""

from __future__ import annotations

import base64
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from kaggle_mnist.kaggle.limits import is_daily_limit
from kaggle_mnist.kaggle.retry_after import retry_after, when
from kaggle_mnist.utils.errors import KaggleRefused, MissingPackage
from kaggle_mnist.utils.silence import silence

INSTALL = "pip install 'kaggle-mnist[kaggle]'"
NEW_TOKEN = (
    "click 'Generate New Token' at https://www.kaggle.com/settings/api, "
    "and set KAGGLE_API_TOKEN to it or save it as ~/.kaggle/access_token"
)
ANSWER_SECONDS = 60  # timeout of a request
PATIENCE = 60  # seconds to wait in total if Kaggle limits the rate
PAUSE = 5  # seconds to wait if Kaggle does not say how long
MIN_SECRET = 6  # characters; anything shorter may be a word

NO_ANSWER = {
    "ProxyError": "the proxy refuses the connection; correct or unset HTTPS_PROXY (HTTP_PROXY)",
    "InvalidURL": "HTTPS_PROXY (HTTP_PROXY) is not a valid URL; correct or unset it",
    "SSLError": "its certificate is not trusted; check this machine's clock, or set REQUESTS_CA_BUNDLE to your proxy's "
    "certificate",
    "ConnectTimeout": "the connection timed out; check the network",
    "ReadTimeout": f"no answer within {ANSWER_SECONDS} seconds; try again later",
    "ChunkedEncodingError": "the connection was lost; try again",
    "ConnectionError": "no connection; check the network (behind a proxy, set HTTPS_PROXY)",
    "JSONDecodeError": "the answer is not from Kaggle; check for a network login page or a proxy",
}

UNINFORMATIVE = frozenset(
    ("", "bad request", "unauthenticated", "unauthorized", "forbidden", "not found", "notfound", "too many requests")
)
UNSENDABLE = ("InvalidHeader", "ValueError", "UnicodeEncodeError")  # a token with a line break or a non-ASCII character

Result = TypeVar("Result")
_importing = threading.Lock()


@dataclass(eq=False)
class Failure(Exception):
    """The parts of a client exception that are safe to show.

    Attributes
    ----------
    kind : name of the exception's class
    operation : the client's name for the request, such as ``"CreateSubmission"``; empty if there was none
    status : HTTP status of the answer; None if there was no answer
    words : Kaggle's message, without credentials
    file : the file that the client could not use; empty if there is none
    retry_after : seconds to wait, 0 to 86,400, if the answer says so

    Examples
    --------
    >>> str(Failure("HTTPError", "CreateSubmission", 403, "Verify your phone"))
    'CreateSubmission 403: Verify your phone'
    """

    kind: str
    operation: str = ""
    status: int | None = None
    words: str = ""
    file: str = ""
    retry_after: float | None = None

    @property
    def may_have_succeeded(self) -> bool:
        """Whether Kaggle may have carried out the request nevertheless."""
        return self.status is None or self.status >= 500

    @property
    def sentence(self) -> str:
        """Why Kaggle refused, in its own words; empty if they say no more than the status, or its server failed."""
        bare = self.words.lower().rstrip(".") in UNINFORMATIVE or self.words.startswith("Permission '")
        return "" if bare or self.may_have_succeeded else self.words

    def __str__(self) -> str:
        answer = " ".join(str(part) for part in (self.operation, self.status or self.kind) if part)
        return f"{answer}: {self.words}" if self.words else answer


class Client:
    """Kaggle's client, signed in.

    Raises
    ------
    MissingPackage
        The client is not installed.
    KaggleRefused
        It does not load, or there are no valid credentials.
    """

    def __init__(self) -> None:
        try:
            with silence():
                api_class = _client_class()
        except ModuleNotFoundError as error:
            raise MissingPackage(f"Kaggle's client is not installed (no module {error.name}): {INSTALL}") from None
        except OSError as error:
            raise KaggleRefused(f"{error.filename}: cannot be used by Kaggle's client ({error.strerror})") from None
        except Exception as error:
            raise KaggleRefused(
                f"Kaggle's client does not load ({type(error).__name__}); reinstall it: {INSTALL}"
            ) from None
        self.api: Any = api_class()
        self.api.args = [argument for argument in self.api.args if argument != "--verbose"]  # it prints credentials
        self.api.already_printed_version_warning = True
        self.api.with_retry = lambda call: call  # which would sleep up to ten times
        try:
            self.call(self._sign_in)
        except Failure as failure:
            known = Failure("NoCredentials") if failure.kind in UNSENDABLE else failure
            raise KaggleRefused(self.explain(known) or f"Kaggle's client cannot sign in ({known})") from failure

    def _sign_in(self) -> None:
        try:
            self.api.authenticate()
        except SystemExit:
            raise Failure("NoCredentials") from None

    def call(self, request: Callable[[], Result], *, silent: bool = True) -> Result:
        """Call the client, and again after a pause while Kaggle limits the rate.

        `request` is a function that uses the client; `silent` drops what the client prints. Returns what `request`
        returns. Raises Failure if the client raises an exception.
        """
        patience = float(PATIENCE)
        while True:
            try:
                with silence() if silent else nullcontext():
                    return request()
            except Failure as raised:
                failure = raised
            except Exception as error:
                failure = self._failure(error)
            pause = PAUSE if failure.retry_after is None else failure.retry_after
            if failure.status != 429 or is_daily_limit(failure.words) or pause > patience:
                break
            patience -= max(pause, 1)
            time.sleep(pause)
        raise failure  # outside the handler, so that the client's exception is not its context

    def explain(self, failure: Failure) -> str | None:
        """The cause and remedy of a failure unrelated to the request itself; None if it may be the request."""
        source = self._credentials()
        match failure:
            case Failure(kind="NoCredentials") if source is None:
                return f"no credentials for Kaggle: {NEW_TOKEN}"
            case Failure(status=401) | Failure(kind="NoCredentials"):
                return f"Kaggle rejects the credentials in {source} (mistyped, revoked or expired): {NEW_TOKEN}"
            case Failure(status=429):
                return f"too many requests to Kaggle; try again {when(failure.retry_after)}"
            case Failure(status=None) if failure.kind in NO_ANSWER:
                return f"Kaggle cannot be reached: {NO_ANSWER[failure.kind]}"
            case Failure(status=None) if failure.file:
                return f"{failure.file}: cannot be used by Kaggle's client ({failure.words}); move it away"
            case Failure(status=None) if missing := _missing_certificates():
                return f"{missing}; correct it or unset it"
            case Failure(status=None):
                return f"Kaggle's client failed ({failure}); try another version: pip install -U kaggle"
            case Failure(status=int(status)) if status >= 500:
                return f"Kaggle has an internal error ({failure}); try again later"
        return None

    def _failure(self, error: Exception) -> Failure:
        kind = next((cls.__name__ for cls in type(error).__mro__ if cls.__name__ in NO_ANSWER), type(error).__name__)
        response = getattr(error, "response", None)
        request = getattr(error, "request", None) if response is None else response.request
        operation = urlsplit(getattr(request, "url", None) or "").path.rpartition("/")[2]
        if response is None:
            words, file = getattr(error, "strerror", None) or "", getattr(error, "filename", None)
            return Failure(kind, operation, words=words, file=file if isinstance(file, str) else "")
        after = retry_after(response)
        return Failure(kind, operation, response.status_code, self._words(response), retry_after=after)

    def _words(self, response: Any) -> str:
        try:
            words = str(response.json()["message"])
        except (ValueError, KeyError, TypeError):
            plain = response.headers.get("Content-Type", "").startswith("text/plain")
            words = response.text.strip() if plain else ""
        return self.without_credentials(words)[:300]

    def without_credentials(self, words: str) -> str:
        """Replace every credential of this machine in `words` by ``***``."""
        from kagglesdk import get_access_token_from_env

        values = self.api.config_values
        user, key = values.get("username") or "", values.get("key") or ""
        basic = base64.b64encode(f"{user}:{key}".encode()).decode()
        tokens = [values.get("token") or "", *(get_access_token_from_env()[0] or "").split()]
        for secret in sorted({key, basic, *tokens}, key=len, reverse=True):
            if len(secret) >= MIN_SECRET:
                words = words.replace(secret, "***")
        return words

    def _credentials(self) -> str | None:
        """Where the client gets its credentials from, in its own order of precedence; None if there are none."""
        from kagglesdk import get_access_token_from_env

        token, source = get_access_token_from_env()
        if token:
            return f"{source}" if source.isupper() else "~/.kaggle/access_token"
        if os.environ.get("KAGGLE_KEY"):
            return "KAGGLE_USERNAME and KAGGLE_KEY"
        files = (Path(self.api.config), Path("~/.kaggle/credentials.json").expanduser())
        return next((f"{file}" for file in files if file.exists()), None)


def _missing_certificates() -> str | None:
    """Which variable names a file of certificates that does not exist; None if none does."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if (path := os.environ.get(variable)) and not Path(path).exists():
            return f"{variable} is {path}, which does not exist"
    return None


def _client_class() -> Any:
    """Kaggle's client as a class, with a timeout for every request, which it lacks."""
    requests, KaggleApi = _import_client()
    from kaggle.models.kaggle_models_extended import ResumableUploadResult
    from urllib3.util.retry import Retry

    class BoundedApi(KaggleApi):  # type: ignore[misc, valid-type]
        def build_kaggle_client(self) -> Any:
            client = super().build_kaggle_client()
            _bound(client.http_client().__enter__()._session)
            return client

        def upload_complete(self, path: str, url: str, quiet: bool, resume: bool = False) -> Any:
            """Upload in one request, with as many retries as the original method, whose session is out of reach."""
            session = _bound(requests.Session(), max_retries=Retry(total=10, backoff_factor=0.5))
            try:
                with session, Path(path).open("rb") as file:
                    sent = session.put(url, data=file).status_code in (200, 201)
            except Exception:  # may contain the signed URL
                sent = False
            return ResumableUploadResult.COMPLETE if sent else ResumableUploadResult.FAILED

    return BoundedApi


def _import_client() -> tuple[Any, Any]:
    """`requests`, and Kaggle's client as a class; its first import signs in and may configure the root logger."""
    import requests
    from kagglesdk.kaggle_http_client import KaggleHttpClient

    with _importing:
        enter, root = KaggleHttpClient.__enter__, logging.getLogger()
        level, handlers = root.level, list(root.handlers)

        def enter_bounded(client: Any) -> Any:
            entered = enter(client)
            _bound(client._session)
            return entered

        if "kaggle" not in sys.modules:
            KaggleHttpClient.__enter__ = enter_bounded
        try:
            from kaggle.api.kaggle_api_extended import KaggleApi
        finally:
            KaggleHttpClient.__enter__ = enter
            root.setLevel(level)
            for handler in [handler for handler in root.handlers if handler not in handlers]:
                root.removeHandler(handler)  # with VERBOSE set, it logs signed URLs
    return requests, KaggleApi


def _bound(session: Any, **options: Any) -> Any:
    """Give the session's requests a default timeout of `ANSWER_SECONDS`."""
    from requests.adapters import HTTPAdapter

    class BoundedAdapter(HTTPAdapter):
        def send(self, request: Any, stream: bool = False, timeout: Any = None, *more: Any, **named: Any) -> Any:
            return super().send(request, stream, timeout or ANSWER_SECONDS, *more, **named)

    for scheme in ("http://", "https://"):
        session.mount(scheme, BoundedAdapter(**options))
    return session
