"""Kaggle's own client; whatever goes wrong with it becomes one line that says what to click or set.

The client prints, exits and sleeps as it sees fit, and what it raises may hold a signed address or the token itself.
So nothing that it prints or raises is passed on: only what kind of failure it was, and Kaggle's own words, from which
credentials are taken out.
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
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from kaggle_mnist.utils.errors import KaggleRefused, MissingPackage
from kaggle_mnist.utils.silence import silence

INSTALL = "pip install 'kaggle-mnist[kaggle]'"
NEW_TOKEN = (
    "click 'Generate New Token' at https://www.kaggle.com/settings/api, "
    "and set KAGGLE_API_TOKEN to it or save it as ~/.kaggle/access_token"
)
ANSWER_SECONDS = 60  # that a request may take to be answered
PATIENCE = 60  # seconds that a question is put off because Kaggle was asked too often
PAUSE = 5  # seconds until it is asked again, where Kaggle does not say
MIN_SECRET = 6  # characters; what is shorter may be a word

NO_ANSWER = {
    "ProxyError": "the proxy does not let it through; set HTTPS_PROXY (HTTP_PROXY) right, or unset it",
    "InvalidURL": "HTTPS_PROXY (HTTP_PROXY) is no address; set it right, or unset it",
    "SSLError": "its certificate is not accepted; look at this machine's clock, or name your proxy's certificate in "
    "REQUESTS_CA_BUNDLE",
    "ConnectTimeout": "it does not answer; look at the network connection",
    "ReadTimeout": f"it gave no answer within {ANSWER_SECONDS} seconds; start again later",
    "ChunkedEncodingError": "the connection broke off; start again",
    "ConnectionError": "there is no connection; look at the network (behind a proxy, set HTTPS_PROXY)",
    "JSONDecodeError": "something else answers in its place; look for a login page of the network, or a proxy",
}

UNSENDABLE = ("InvalidHeader", "ValueError", "UnicodeEncodeError")  # of a token with a line break or a foreign sign

Result = TypeVar("Result")
_importing = threading.Lock()


@dataclass(eq=False)
class Failure(Exception):
    """As much of an exception of the client's as may be shown.

    Attributes
    ----------
    kind : the exception's class
    operation : what was asked, by the client's name for it, such as ``"CreateSubmission"``; empty if nothing was
    status : of the answer; None if none came
    words : Kaggle's own, without credentials
    retry_after : seconds, where the answer names them
    """

    kind: str
    operation: str = ""
    status: int | None = None
    words: str = ""
    retry_after: float | None = None

    @property
    def leaves_open(self) -> bool:
        """Whether Kaggle may have done what it was asked to all the same."""
        return self.status is None or self.status >= 500

    def __str__(self) -> str:
        answer = " ".join(str(part) for part in (self.operation, self.status or self.kind) if part)
        return f"{answer}: {self.words}" if self.words else answer


class Client:
    """Kaggle's client, signed in. Raises KaggleRefused where it is not installed or has no good credentials."""

    def __init__(self) -> None:
        try:
            with silence():
                api_class = _client_class()
        except ModuleNotFoundError as error:
            raise MissingPackage(f"Kaggle's client is not installed (no module {error.name}): {INSTALL}") from None
        except OSError as error:
            raise KaggleRefused(f"{error.filename}: Kaggle's client cannot use it ({error.strerror})") from None
        except Exception as error:
            raise KaggleRefused(f"Kaggle's client does not load ({type(error).__name__}); again: {INSTALL}") from None
        self.api: Any = api_class()
        self.api.args = [argument for argument in self.api.args if argument != "--verbose"]  # it prints credentials
        self.api.already_printed_version_warning = True
        self.api.with_retry = lambda call: call  # it would sleep ten times for as long as it is told to
        try:
            self.ask(self._sign_in)
        except Failure as failure:
            known = Failure("NoCredentials") if failure.kind in UNSENDABLE else failure
            raise KaggleRefused(self.trouble(known) or f"Kaggle's client cannot sign in ({known})") from failure

    def _sign_in(self) -> None:
        try:
            self.api.authenticate()
        except SystemExit:
            raise Failure("NoCredentials") from None

    def ask(self, call: Callable[[], Result], *, silent: bool = True) -> Result:
        """What `call` gives; while Kaggle says that it was asked too often, it is asked again. Raises Failure."""
        patience = float(PATIENCE)
        while True:
            try:
                with silence() if silent else nullcontext():
                    return call()
            except Failure as known:
                failure = known
            except Exception as error:
                failure = self._failure(error)
            pause = PAUSE if failure.retry_after is None else failure.retry_after
            if failure.status != 429 or pause > patience:
                break
            patience -= max(pause, 1)
            time.sleep(pause)
        raise failure  # outside of the handler, so that the client's exception does not hang on it

    def trouble(self, failure: Failure) -> str | None:
        """What to do about a failure that has nothing to do with what was asked; None where it may have."""
        source = self._credentials()
        match failure:
            case Failure(kind="NoCredentials") if source is None:
                return f"no credentials for Kaggle: {NEW_TOKEN}"
            case Failure(status=401) | Failure(kind="NoCredentials"):
                return f"Kaggle does not accept the credentials in {source} (mistyped, revoked or expired): {NEW_TOKEN}"
            case Failure(status=429):
                return f"Kaggle was asked too often; start again {_after(failure.retry_after)}"
            case Failure(status=None) if failure.kind in NO_ANSWER:
                return f"Kaggle cannot be reached: {NO_ANSWER[failure.kind]}"
            case Failure(status=None):
                return f"Kaggle's client failed ({failure}); another version of it may not: pip install -U kaggle"
            case Failure(status=int(status)) if status >= 500:
                return f"Kaggle has a fault of its own ({failure}); start again later"
        return None

    def _failure(self, error: Exception) -> Failure:
        kind = next((cls.__name__ for cls in type(error).__mro__ if cls.__name__ in NO_ANSWER), type(error).__name__)
        response = getattr(error, "response", None)
        asked = getattr(error, "request", None) if response is None else response.request
        operation = urlsplit(getattr(asked, "url", None) or "").path.rpartition("/")[2]
        if response is None:
            return Failure(kind, operation, words=getattr(error, "strerror", None) or "")  # such as: no space left
        return Failure(kind, operation, response.status_code, self._words(response), _retry_after(response))

    def _words(self, response: Any) -> str:
        try:
            words = str(response.json()["message"])
        except (ValueError, KeyError, TypeError):
            return ""
        return self.without_credentials(words)[:300]

    def without_credentials(self, words: str) -> str:
        """`words`, which may hold what was sent, with every credential of this machine starred out."""
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
        """Where the client takes its credentials from, in its own order; None where there are none."""
        from kagglesdk import get_access_token_from_env

        token, source = get_access_token_from_env()
        if token:
            return f"{source}" if source.isupper() else "~/.kaggle/access_token"
        if os.environ.get("KAGGLE_KEY"):
            return "KAGGLE_USERNAME and KAGGLE_KEY"
        files = (Path(self.api.config), Path("~/.kaggle/credentials.json").expanduser())
        return next((f"{file}" for file in files if file.exists()), None)


def _client_class() -> Any:
    """Kaggle's own client as a class, with a time-out for every request; its requests have none by themselves."""
    requests, KaggleApi = _import_client()
    from kaggle.models.kaggle_models_extended import ResumableUploadResult
    from urllib3.util.retry import Retry

    class BoundedApi(KaggleApi):  # type: ignore[misc, valid-type]
        def build_kaggle_client(self) -> Any:
            client = super().build_kaggle_client()
            _bound(client.http_client().__enter__()._session)
            return client

        def upload_complete(self, path: str, url: str, quiet: bool, resume: bool = False) -> Any:
            """Whole, for the session of the client's own method is out of reach; with as many retries as there."""
            session = _bound(requests.Session(), max_retries=Retry(total=10, backoff_factor=0.5))
            try:
                with session, Path(path).open("rb") as file:
                    sent = session.put(url, data=file).status_code in (200, 201)
            except Exception:  # which may hold the signed address
                sent = False
            return ResumableUploadResult.COMPLETE if sent else ResumableUploadResult.FAILED

    return BoundedApi


def _import_client() -> tuple[Any, Any]:
    """`requests`, and Kaggle's client as a class. Its first import signs in, and may set up the root logger."""
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
                root.removeHandler(handler)  # where VERBOSE is set, it shows signed addresses
    return requests, KaggleApi


def _bound(session: Any, **options: Any) -> Any:
    """`session`, whose requests now take no longer than `ANSWER_SECONDS` to be answered, where they do not say."""
    from requests.adapters import HTTPAdapter

    class BoundedAdapter(HTTPAdapter):
        def send(self, request: Any, stream: bool = False, timeout: Any = None, *more: Any, **named: Any) -> Any:
            return super().send(request, stream, timeout or ANSWER_SECONDS, *more, **named)

    for scheme in ("http://", "https://"):
        session.mount(scheme, BoundedAdapter(**options))
    return session


def _retry_after(response: Any) -> float | None:
    """Seconds, from 0 to a day."""
    value = response.headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(0.0, seconds), 86_400.0)


def _after(seconds: float | None) -> str:
    if seconds is None:
        return "in some minutes"
    when = datetime.now().astimezone() + timedelta(seconds=seconds)
    return f"after {when:%H:%M:%S} (in {seconds:.0f} seconds)" if seconds < 120 else f"after {when:%a %H:%M %Z}"
