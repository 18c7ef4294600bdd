"""Kaggle's own client; whatever goes wrong with it becomes one line that says what to click or set.

The client prints, exits and sleeps as it sees fit, and what it raises may hold a signed address or the token itself.
So nothing that it prints or raises is passed on: only what kind of failure it was, and Kaggle's own words, from which
credentials are taken out.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from kaggle_mnist.errors import KaggleRefused, MissingPackage

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
            with _contained():
                from kaggle.api.kaggle_api_extended import KaggleApi
        except ModuleNotFoundError as error:
            raise MissingPackage(f"Kaggle's client is not installed (no module {error.name}): {INSTALL}") from None
        except OSError as error:
            raise KaggleRefused(f"{error.filename}: Kaggle's client cannot use it ({error.strerror})") from None
        except Exception as error:
            raise KaggleRefused(f"Kaggle's client does not load ({type(error).__name__}); again: {INSTALL}") from None
        self.api: Any = KaggleApi()
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
                with _contained(silent):
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


@contextmanager
def _contained(silent: bool = True) -> Iterator[None]:
    """The client prints nothing if `silent`, and none of its requests, which have no time-out, waits for ever."""
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send

    def send_bounded(adapter: Any, request: Any, *arguments: Any, **named: Any) -> Any:
        named["timeout"] = named.get("timeout") or ANSWER_SECONDS
        return send(adapter, request, *arguments, **named)

    HTTPAdapter.send = send_bounded  # type: ignore[assignment, method-assign]
    try:
        if silent:
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                yield
        else:
            yield
    finally:
        HTTPAdapter.send = send  # type: ignore[method-assign]


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
