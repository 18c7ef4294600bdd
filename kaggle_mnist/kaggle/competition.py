"""A competition on Kaggle: its files fetched, a CSV sent, a score asked for; and why Kaggle would not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kaggle_mnist.kaggle.client import NEW_TOKEN, Client, Failure
from kaggle_mnist.utils.errors import BadOption, KaggleRefused
from kaggle_mnist.utils.progress import Progress

DIGIT_RECOGNIZER = "digit-recognizer"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
PENDING, COMPLETE = "pending", "complete"  # the third status is "error"
NOT_SENT = "nothing was submitted"
BARE = ("", "bad request", "forbidden", "not found", "notfound")  # words that say no more than the status


@dataclass(frozen=True)
class Answer:
    """What has become of a submission: its status, its public score from 0 to 1 if it has one, and why if not."""

    status: str
    public_score: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Standing:
    """What Kaggle tells of a competition and of the user in it; None where it does not tell."""

    exists: bool | None = None
    joined: bool | None = None
    closed: bool = False


class Competition:
    """A competition, by the last part of its address. Whatever Kaggle refuses raises KaggleRefused with what to do."""

    def __init__(self, name: str):
        if not NAME.fullmatch(name):
            raise BadOption(f"competition {name!r}: must be the last part of its address, such as {DIGIT_RECOGNIZER}")
        self.name, self.page = name, f"https://www.kaggle.com/competitions/{name}"
        self.client = Client()
        self.api = self.client.api

    def fetch(self, folder: Path, progress: Progress) -> Path:
        """Download the competition's files into an empty folder: the one file that Kaggle makes of them all."""
        self.api.download_file = telling(self.api.download_file, progress)
        try:
            # It is `quiet` itself; what it prints is not caught, for then nothing would be seen of the progress.
            self.client.ask(
                lambda: self.api.competition_download_files(self.name, path=str(folder), quiet=True), silent=False
            )
        except Failure as failure:
            raise self._refused(failure, "nothing was downloaded", self._causes(failure)) from failure
        return next(path for path in folder.iterdir() if path.stem == self.name)

    def submissions_left(self) -> int | None:
        """How many more submissions Kaggle takes today; None where it does not tell.

        Raises KaggleRefused where there are none left, and where Kaggle would refuse them all.
        """
        try:
            limits = self._limits()
        except Failure as failure:
            if self.client.trouble(failure) and (failure.status or 0) < 500:
                raise self._refused(failure, NOT_SENT, []) from failure
            if said := self._shut_out(self._standing()):
                raise KaggleRefused(f"{NOT_SENT}: {said}") from failure
            return None  # where only the limits cannot be had, the file may be taken all the same
        if said := exhausted(limits):
            raise KaggleRefused(f"{NOT_SENT}: {said}")
        return int(limits.num_allowed_now) or None  # all zero for whoever has no team yet

    def submit(self, file: Path, message: str) -> int:
        """Send a CSV and give the number that Kaggle gave it.

        Raises KaggleRefused, which says so where it stays open whether Kaggle got the file.
        """
        before = self._submissions(message)
        try:
            answer = self.client.ask(lambda: self.api.competition_submit(str(file), message, self.name, quiet=True))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted; {self._look()}") from None
        except Failure as failure:
            if failure.operation in ("CreateSubmission", "") and failure.leaves_open:
                return self._arrived(before, message, f"{failure}")
            raise self._refused(failure, NOT_SENT, self._causes(failure, sending=True)) from failure
        if answer.ref:
            return int(answer.ref)
        if answer.message == self.api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
            raise KaggleRefused(f"{NOT_SENT}: the file did not get through to Kaggle; start again")
        return self._arrived(before, message, self.client.without_credentials(answer.message))

    def answer(self, ref: int) -> Answer:
        """What has become of a submission. Where Kaggle cannot be reached just now, it counts as pending."""
        try:
            found = self.client.ask(lambda: self.api.get_submission(ref))
        except Failure as failure:
            if failure.status == 404 or failure.leaves_open:  # 404: it was made just now
                return Answer(PENDING, reason=f"{failure}")
            causes = [f"submission {ref} is not of the account whose credentials these are"]
            raise self._refused(failure, "the score was not fetched", causes) from failure
        score = _score(found.public_score) if found.status.name.lower() == COMPLETE else None
        return Answer(found.status.name.lower(), score, self.client.without_credentials(found.error_description or ""))

    def _arrived(self, before: set[int] | None, message: str, said: str) -> int:
        """The number of a submission that Kaggle may have got: the new one in its list. Raises KaggleRefused."""
        after = self._submissions(message)
        if before is not None and after and (new := after - before):
            return max(new)
        limits = self._limits_if_told()
        used = None if limits is None else exhausted(limits)
        raise KaggleRefused(f"Kaggle does not list the submission ({said}): {used or self._look()}")

    def _look(self) -> str:
        return f"see whether it arrived before you send it again, at {self.page}/submissions"

    def _submissions(self, message: str) -> set[int] | None:
        """The numbers of the newest submissions with that message; None where Kaggle does not list them."""
        try:
            found = self.client.ask(lambda: self.api.competition_submissions(self.name))
        except Failure:
            return None
        return {int(one.ref) for one in found if one.description == message}

    def _limits(self) -> Any:
        return self.client.ask(lambda: self.api.competition_get_submission_limits(self.name))

    def _refused(self, failure: Failure, undone: str, causes: list[str]) -> KaggleRefused:
        if trouble := self.client.trouble(failure):
            return KaggleRefused(f"{undone}: {trouble}")
        if len(causes) > 1:
            return KaggleRefused(f"{undone}, and Kaggle does not say why ({failure}): either {'; or '.join(causes)}")
        answer = f"{failure.operation} {failure.status}" if failure.words in causes[0] else f"{failure}"
        return KaggleRefused(f"{undone}: {causes[0]} ({answer})")

    def _causes(self, failure: Failure, *, sending: bool = False) -> list[str]:
        """What can be behind a bare 400, 403 or 404: one cause where cheap questions tell, else each that is left.

        `sending`: a submission was to be made, so it may have been one too many, or its file.
        """
        if self.client.trouble(failure) and (failure.status or 0) < 500:
            return []  # that says it all, and no further question would be answered
        token = f"your token may not do this: {NEW_TOKEN}"
        file = f"the file is not what {self.name} expects: compare it with sample_submission.csv at {self.page}/data"
        limits = self._limits_if_told() if sending else None
        if limits is not None and (used := exhausted(limits)):
            return [used]
        standing = self._standing()
        if said := self._shut_out(standing):
            return [said]
        if sending and standing.closed:
            return [f"{self.name} is over and takes no more submissions"]
        if failure.words.lower() not in BARE and "Permission" not in failure.words:
            return [f"Kaggle says {failure.words!r}"]
        causes = [] if standing.joined else [self._join()]
        if not standing.exists and self.name != DIGIT_RECOGNIZER:
            causes.append(self._wrong_name())
        if failure.operation == "CreateSubmission":
            causes.append(file)
        if sending and not (limits and limits.num_allowed_now):
            causes.append(f"today's submissions are used up: {_new_day()}")
        return [*causes, token] if failure.status == 403 or not causes else causes

    def _shut_out(self, standing: Standing) -> str | None:
        if standing.exists is False:
            return self._wrong_name()
        return self._join() if standing.joined is False else None

    def _wrong_name(self) -> str:
        return f"there is no competition {self.name}: give --competition the last part of its address"

    def _join(self) -> str:
        return f"you have not joined {self.name}: open {self.page}/rules, click 'Join Competition' and accept the rules"

    def _limits_if_told(self) -> Any:
        try:
            return self._limits()
        except Failure:
            return None

    def _standing(self) -> Standing:
        """Found out by GetCompetition; where that is refused, by the list of competitions."""
        from kagglesdk.competitions.types.competition_api_service import ApiGetCompetitionRequest

        request = ApiGetCompetitionRequest()
        request.competition_name = self.name

        def get() -> Any:
            with self.api.build_kaggle_client() as kaggle:
                return kaggle.competitions.competition_api_client.get_competition(request)

        try:
            found = self.client.ask(get)
        except Failure as failure:
            if failure.status == 404:
                return Standing(exists=False)
            try:
                listed = self.client.ask(lambda: self.api.competitions_list(search=self.name.replace("-", " ")))
            except Failure:
                return Standing()
            found = next((one for one in listed.competitions if one.ref.rpartition("/")[2] == self.name), None)
            if found is None:
                return Standing()
        over = found.deadline is not None and found.deadline < datetime.now(UTC).replace(tzinfo=None)
        return Standing(True, bool(found.user_has_entered), bool(found.submissions_disabled) or over)


def telling(download: Any, progress: Progress) -> Any:
    """The client's `download_file`, which tells `progress` how many MB have come."""

    def download_and_tell(response: Any, *arguments: Any, **named: Any) -> None:
        total, chunks = int(response.headers.get("Content-Length") or 0), response.iter_content

        def counted(size: int) -> Any:
            done = 0
            for chunk in chunks(size):
                done += len(chunk)
                progress("Downloading", done >> 20, max(done, total) >> 20, "MB")
                yield chunk

        response.iter_content = counted
        download(response, *arguments, **named)

    return download_and_tell


def exhausted(limits: Any) -> str | None:
    """Why no submission is left, by Kaggle's own count; None where some are, or where it counts nothing at all."""
    if limits.num_allowed_now > 0 or not (limits.num_today or limits.num_total):
        return None
    if limits.limited_by_total:
        return f"all submissions that the competition allows are used up ({limits.num_total} in all)"
    return f"today's submissions are used up ({limits.num_today} sent): {_new_day()}"


def _new_day() -> str:
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    minutes = (midnight - now).seconds // 60
    return f"there are more from 00:00 UTC, in {minutes // 60} h {minutes % 60:02} min"


def _score(text: str | None) -> float | None:
    try:
        score = float(text or "")
    except ValueError:
        return None
    return score if 0 <= score <= 1 else None
