"""A local Kaggle that implements what the client uses: it stores and scores submissions.

`KAGGLE_API_ENVIRONMENT=LOCALHOST` makes the client call `http://localhost/api/v1/…`, and `HTTP_PROXY` directs those
calls to the port of this server.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

USER, KEY, TOKEN = "somebody", "0123456789abcdef0123456789abcdef", "KGAT_fedcba9876543210fedcba9876543210"
SIGNATURE = "X-Goog-Signature=5160a7ure"  # in file URLs: it grants read or write access
Json = dict[str, Any]


@dataclass
class Fault:
    """What a request gets instead of its answer: a dropped connection or an error."""

    status: int | None = None  # None: dropped
    message: str | None = None  # None: no body, as with Kaggle's 400 Bad Request
    headers: dict[str, str] = field(default_factory=dict)
    late: bool = False  # the request is carried out nevertheless


@dataclass
class Kaggle:
    """The state of the server; tests change it, and count requests by `asked`."""

    labels: NDArray[np.int64]
    name: str = "digit-recognizer"
    joined: bool = True
    explains: bool = True  # whether it answers questions about the competition
    daily: int = 10
    tells_daily: bool = False  # whether it says so of the competition
    pending: int = 0  # requests that find a submission without a score
    bundle: bytes = b""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    files: dict[str, bytes] = field(default_factory=dict)
    submissions: list[Json] = field(default_factory=list)
    looks: Counter[int] = field(default_factory=Counter)

    def score(self, content: bytes) -> tuple[float | None, str]:
        """The accuracy on the public quarter of the images, or why there is none."""
        rows = [line.split(",") for line in content.decode().splitlines()]
        if rows[0] != ["ImageId", "Label"] or len(rows) != len(self.labels) + 1:
            return None, f"Submission must have {len(self.labels)} rows"
        ids, found = np.array(rows[1:], np.int64).T
        public = ids % 4 == 0
        return float((found == self.labels[ids - 1])[public].mean()), ""

    # Requests by the client's names; each returns a status and the answer.

    def IntrospectToken(self, asked: Json) -> tuple[int, Json]:
        good = asked["token"] == TOKEN
        return (200, {"active": True, "username": USER}) if good else (404, {"code": 404, "message": "Not found"})

    def GetCompetition(self, asked: Json) -> tuple[int, Json]:
        if not self.explains or asked["competitionName"] != self.name:
            return 403, {"code": 403, "message": "Permission 'competitions.get' was denied"}
        return 200, self._competition()

    def ListCompetitions(self, asked: Json) -> tuple[int, Json]:
        found = self.explains and asked["search"] == self.name.replace("-", " ")
        return 200, {"competitions": [self._competition()] if found else []}

    def GetSubmissionLimits(self, asked: Json) -> tuple[int, Json]:
        if asked["competitionName"] != self.name or not self.explains:
            return 403, {}
        sent = len(self.submissions)
        limits = {"numToday": sent, "numTotal": sent, "numAllowedNow": self.daily - sent, "limitedByTotal": False}
        return 200, limits if self.joined else {}  # Kaggle counts by team; a user who has not joined is in none

    def StartSubmissionUpload(self, asked: Json) -> tuple[int, Json]:
        if asked["competitionName"] != self.name or not self.joined:
            return 403, {}
        token = f"blob-{len(self.files)}"
        self.files[token] = b""
        return 200, {"token": token, "createUrl": f"http://localhost/files/{token}?{SIGNATURE}"}

    def CreateSubmission(self, asked: Json) -> tuple[int, Json]:
        if asked["competitionName"] != self.name or not self.joined or len(self.submissions) >= self.daily:
            return 400, {}
        content = self.files[asked["blobFileTokens"]]
        if not content.startswith(b"ImageId,"):
            return 400, {}
        ref = 4711 + len(self.submissions)
        self.submissions.append({
            "ref": ref, "description": asked.get("submissionDescription"),
            "fileName": "submission.csv", "content": content,
            "date": datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z",
        })  # fmt: skip
        return 200, {"message": "Successfully submitted to Digit Recognizer", "ref": ref}

    def ListSubmissions(self, asked: Json) -> tuple[int, Json]:
        if not self.joined:
            return 403, {}
        return 200, {"submissions": [self._seen(one) for one in self.submissions]}

    def GetSubmission(self, asked: Json) -> tuple[int, Json]:
        one = next((one for one in self.submissions if one["ref"] == asked["ref"]), None)
        if one is None:
            return 404, {}
        self.looks[one["ref"]] += 1
        return 200, self._seen(one)

    def DownloadDataFiles(self, asked: Json) -> tuple[int, Json]:
        if asked["competitionName"] != self.name or not self.joined:
            return 403, {}
        return 302, {"Location": f"http://localhost/files/archive.zip?{SIGNATURE}"}

    def _competition(self) -> Json:
        page = f"https://www.kaggle.com/competitions/{self.name}"
        told = {"maxDailySubmissions": self.daily} if self.tells_daily else {}
        return {"id": 3004, "ref": page, "userHasEntered": self.joined, "deadline": "2999-01-01T00:00:00.000Z"} | told

    def _seen(self, one: Json) -> Json:
        shown = {key: value for key, value in one.items() if key != "content"}
        if self.looks[one["ref"]] <= self.pending:
            return shown | {"status": "PENDING"}
        score, error = self.score(one["content"])
        if score is None:
            return shown | {"status": "ERROR", "errorDescription": error}
        return shown | {"status": "COMPLETE", "publicScore": f"{score:.5f}"}


class Handler(BaseHTTPRequestHandler):
    """HTTP around a `Kaggle`; addresses come whole, as to a proxy."""

    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: pytest shows what failed."""

    def do_POST(self) -> None:
        kaggle, operation = self.server.kaggle, urlsplit(self.path).path.rpartition("/")[2]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._fails(operation, lambda: getattr(kaggle, operation)(json.loads(body))):
            return
        basic = base64.b64encode(f"{USER}:{KEY}".encode()).decode()
        known = self.headers.get("Authorization") in (f"Basic {basic}", f"Bearer {TOKEN}")
        if operation != "IntrospectToken" and not known:
            self._answer(401, json.dumps({"code": 401, "message": "Unauthenticated"}).encode())
            return
        status, answer = getattr(kaggle, operation)(json.loads(body))
        if status == 302:
            self._answer(302, b"", headers=answer)
        else:
            self._answer(status, json.dumps(answer).encode() if answer or status == 200 else b"")

    def do_PUT(self) -> None:
        name = urlsplit(self.path).path.rpartition("/")[2]
        length = int(self.headers["Content-Length"])
        dropped = bool(self.server.kaggle.faults.get("upload"))
        content = self.rfile.read(length // 2 if dropped else length)
        if self._fails("upload"):
            return
        self.server.kaggle.files[name] = content
        self._answer(200, b"{}")

    def do_GET(self) -> None:
        content = self.server.kaggle.bundle
        start = int(self.headers.get("Range", "bytes=0-")[6:].rstrip("-"))
        headers = {"Accept-Ranges": "bytes", "ETag": '"the-bundle"', "Last-Modified": "Tue, 24 Nov 2026 20:00:00 GMT"}
        faults = self.server.kaggle.faults.get("archive", [])
        cut = len(content) // 2 if faults and not faults.pop(0).status else len(content)
        self.server.kaggle.asked["archive"] += 1
        self._answer(
            206 if start else 200, content[start:], sent=cut - start if cut < len(content) else None, headers=headers
        )

    def _fails(self, operation: str, work: Callable[[], object] = lambda: None) -> bool:
        """Whether the request meets a fault in place of its answer."""
        kaggle = self.server.kaggle
        kaggle.asked[operation] += 1
        faults = kaggle.faults.get(operation, [])
        if not faults:
            return False
        fault = faults.pop(0)
        if fault.late:
            work()
        if fault.status is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            content = (
                b"" if fault.message is None else json.dumps({"code": fault.status, "message": fault.message}).encode()
            )
            self._answer(fault.status, content, headers=fault.headers)
        return True

    def _answer(self, status: int, content: bytes, sent: int | None = None, headers: Json | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", f"{len(content)}")
        if content[:1] == b"{":
            self.send_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[:sent])
        if sent is not None:
            self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, kaggle: Kaggle):
        super().__init__(("127.0.0.1", 0), Handler)
        self.kaggle = kaggle
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: dropped connections are meant."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"
