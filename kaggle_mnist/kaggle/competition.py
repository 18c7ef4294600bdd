"""A Kaggle competition: download its files, submit a CSV, fetch the score, and explain refusals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kaggle_mnist.kaggle.client import NEW_TOKEN, Client, Failure
from kaggle_mnist.kaggle.download import reporting
from kaggle_mnist.kaggle.limits import exhausted, is_counted, is_daily_limit, new_day, sent_today, used_up
from kaggle_mnist.utils.errors import BadOption, KaggleRefused
from kaggle_mnist.utils.progress import Progress

DIGIT_RECOGNIZER = "digit-recognizer"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?kaggle\.com/(?:competitions|c)/([^/?#]+).*")
PENDING, COMPLETE = "pending", "complete"  # the third status is "error"
NOT_SENT = "nothing was submitted"
UNKNOWN = re.compile(r"competition.*(?:not found|no such|not exist|not find)|(?:not find|no such).*competition", re.I)


@dataclass(frozen=True)
class Answer:
    """The state of a submission.

    Attributes
    ----------
    status : ``"pending"``, ``"complete"`` or ``"error"``
    public_score : accuracy on the public part of the test images, 0 to 1; None if there is none yet
    reason : Kaggle's explanation if there is no score
    """

    status: str
    public_score: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Access:
    """What Kaggle says about a competition and the user's access to it; None if it does not say."""

    exists: bool | None = None
    joined: bool | None = None
    closed: bool = False
    daily: int | None = None  # submissions that it accepts a day


def competition_name(text: str) -> str:
    """A competition's name, of itself or of the address of one of its pages.

    Raises BadOption if it cannot be a competition's.

    >>> competition_name("https://www.kaggle.com/competitions/Kannada-MNIST/data")
    'Kannada-MNIST'
    """
    address = ADDRESS.fullmatch(text)
    name = address[1] if address else text
    if not NAME.fullmatch(name):
        raise BadOption(f"competition {text!r}: must be its name or address, such as {DIGIT_RECOGNIZER}")
    return DIGIT_RECOGNIZER if name.lower() == DIGIT_RECOGNIZER else name


class Competition:
    """A competition, and the client to use it with.

    Parameters
    ----------
    name : as for `competition_name`

    Raises
    ------
    BadOption
        The name cannot be that of a competition.
    MissingPackage, KaggleRefused
        Kaggle's client is not installed, or cannot sign in.

    Examples
    --------
    >>> Competition("digit-recognizer").submissions_left()  # doctest: +SKIP
    10
    """

    def __init__(self, name: str):
        name = competition_name(name)
        self.name, self.page = name, f"https://www.kaggle.com/competitions/{name}"
        self.client = Client()
        self.api = self.client.api

    def fetch(self, folder: Path, progress: Progress) -> Path:
        """Download the competition's files into an empty folder, as the one zip that Kaggle makes of them.

        Raises KaggleRefused, saying what to do.
        """
        self.api.download_file = reporting(self.api.download_file, progress)
        try:
            # silent=False: dropping output would also drop that of `progress`; the client is quiet itself
            self.client.call(
                lambda: self.api.competition_download_files(self.name, path=str(folder), quiet=True), silent=False
            )
        except Failure as failure:
            raise self._refused(failure, "nothing was downloaded", self._causes(failure)) from failure
        return next(path for path in folder.iterdir() if path.stem == self.name)

    def submissions_left(self) -> int | None:
        """How many more submissions Kaggle accepts today; None if it does not say.

        Raises KaggleRefused if there are none left, or if Kaggle would refuse any.
        """
        try:
            limits = self._limits()
        except Failure as failure:
            if self.client.explain(failure) and (failure.status or 0) < 500:
                raise self._refused(failure, NOT_SENT, []) from failure
            return self._count_left()  # only the limits are unavailable: a submission may still be accepted
        if cause := exhausted(limits):
            raise KaggleRefused(f"{NOT_SENT}: {cause}")
        return int(limits.num_allowed_now) if is_counted(limits) else self._count_left()

    def _count_left(self) -> int | None:
        """`submissions_left` from what Kaggle says of the competition, and its list of submissions."""
        access = self._access()
        if cause := self._shut_out(access):
            raise KaggleRefused(f"{NOT_SENT}: {cause}")
        if not access.daily:
            return None
        if (listed := self._listed()) is None:
            return None
        if (sent := sent_today(listed)) >= access.daily:
            raise KaggleRefused(f"{NOT_SENT}: {used_up(sent)}")
        return access.daily - sent

    def submit(self, file: Path, message: str) -> int:
        """Submit a CSV and return the submission's number.

        Raises KaggleRefused; its message says so if the file may have arrived nevertheless.
        """
        before = self._submissions(message)
        try:
            answer = self.client.call(lambda: self.api.competition_submit(str(file), message, self.name, quiet=True))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted; {self._check_list()}") from None
        except Failure as failure:
            if failure.operation in ("CreateSubmission", "") and failure.may_have_succeeded:
                return self._find_new(before, message, f"{failure}")
            raise self._refused(failure, NOT_SENT, self._causes(failure, sending=True)) from failure
        if answer.ref:
            return int(answer.ref)
        if answer.message == self.api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
            raise KaggleRefused(f"{NOT_SENT}: the upload to Kaggle failed; try again")
        return self._find_new(before, message, self.client.without_credentials(answer.message))

    def answer(self, ref: int) -> Answer:
        """The state of a submission; pending while Kaggle cannot be reached. Raises KaggleRefused."""
        try:
            found = self.client.call(lambda: self.api.get_submission(ref))
        except Failure as failure:
            if failure.status == 404 or failure.may_have_succeeded:  # 404: not known yet
                return Answer(PENDING, reason=f"{failure}")
            causes = [f"submission {ref} belongs to another account than these credentials"]
            raise self._refused(failure, "the score was not fetched", causes) from failure
        score = _score(found.public_score) if found.status.name.lower() == COMPLETE else None
        return Answer(found.status.name.lower(), score, self.client.without_credentials(found.error_description or ""))

    def _find_new(self, before: set[int] | None, message: str, answer: str) -> int:
        """The number of a submission that may have arrived: the new one in Kaggle's list. Raises KaggleRefused."""
        after = self._submissions(message)
        if before is not None and after and (new := after - before):
            return max(new)
        if is_daily_limit(answer):
            raise KaggleRefused(f"{NOT_SENT}: Kaggle says {answer!r}; {new_day()}")
        limits = self._limits_or_none()
        cause = None if limits is None else exhausted(limits)
        raise KaggleRefused(f"Kaggle does not list the submission ({answer}): {cause or self._check_list()}")

    def _check_list(self) -> str:
        return f"before you submit again, check {self.page}/submissions for it"

    def _submissions(self, message: str) -> set[int] | None:
        """The numbers of the newest submissions with that message; None if Kaggle does not list them."""
        listed = self._listed()
        return None if listed is None else {int(one.ref) for one in listed if one.description == message}

    def _listed(self) -> list[Any] | None:
        try:
            return list(self.client.call(lambda: self.api.competition_submissions(self.name)))
        except Failure:
            return None

    def _limits(self) -> Any:
        return self.client.call(lambda: self.api.competition_get_submission_limits(self.name))

    def _refused(self, failure: Failure, undone: str, causes: list[str]) -> KaggleRefused:
        trouble = self.client.explain(failure)
        if sentence := failure.sentence:  # outweighs whatever we can guess
            remedy = new_day() if is_daily_limit(sentence) else trouble or self._shut_out(self._access())
            answer = f"{failure.operation} {failure.status}"
            return KaggleRefused(f"{undone}: Kaggle says {sentence!r} ({answer}){f'; {remedy}' if remedy else ''}")
        if trouble:
            return KaggleRefused(f"{undone}: {trouble}")
        if len(causes) > 1:
            return KaggleRefused(f"{undone}, and Kaggle does not say why ({failure}): either {'; or '.join(causes)}")
        return KaggleRefused(f"{undone}: {causes[0]} ({failure})")

    def _causes(self, failure: Failure, *, sending: bool = False) -> list[str]:
        """The possible causes of a 400, 403 or 404 without explanation: one if cheap requests identify it.

        With `sending`, a submission was being made, so the daily limit or the file may be the cause.
        """
        if failure.sentence or (self.client.explain(failure) and (failure.status or 0) < 500):
            return []  # already explained, and further requests may fail too
        token = f"your token lacks the permission: {NEW_TOKEN}"
        file = (
            f"the file is not in the format of {self.name}: compare it with sample_submission.csv at {self.page}/data"
        )
        limits = self._limits_or_none() if sending else None
        if limits is not None and (cause := exhausted(limits)):
            return [cause]
        access = self._access()
        if cause := self._shut_out(access):
            return [cause]
        if sending and access.closed:
            return [f"{self.name} is over and accepts no more submissions"]
        causes = [] if access.joined else [self._join()]
        if not access.exists and self.name != DIGIT_RECOGNIZER:
            causes.append(f"the name {self.name} is wrong: set --competition to the last part of its URL")
        if failure.operation == "CreateSubmission":
            causes.append(file)
        if sending and not (limits and limits.num_allowed_now):
            causes.append(f"the daily limit is reached: {new_day()}")
        return [*causes, token] if failure.status == 403 or not causes else causes

    def _shut_out(self, access: Access) -> str | None:
        if access.exists is False:
            return self._wrong_name()
        return self._join() if access.joined is False else None

    def _wrong_name(self) -> str:
        return f"there is no competition {self.name}: set --competition to the last part of its URL"

    def _join(self) -> str:
        return f"you have not joined {self.name}: open {self.page}/rules, click 'Join Competition' and accept the rules"

    def _limits_or_none(self) -> Any:
        try:
            return self._limits()
        except Failure:
            return None

    def _access(self) -> Access:
        """From GetCompetition, or the list of competitions if that is refused."""
        from kagglesdk.competitions.types.competition_api_service import ApiGetCompetitionRequest

        request = ApiGetCompetitionRequest()
        request.competition_name = self.name

        def get() -> Any:
            with self.api.build_kaggle_client() as kaggle:
                return kaggle.competitions.competition_api_client.get_competition(request)

        try:
            found = self.client.call(get)
        except Failure as failure:
            if failure.status == 404 and UNKNOWN.search(failure.words):
                return Access(exists=False)
            try:
                listed = self.client.call(lambda: self.api.competitions_list(search=self.name.replace("-", " ")))
            except Failure:
                return Access()
            found = next((one for one in listed.competitions if one.ref.rpartition("/")[2] == self.name), None)
            if found is None:
                return Access()
        over = found.deadline is not None and found.deadline < datetime.now(UTC).replace(tzinfo=None)
        closed = bool(found.submissions_disabled) or over
        return Access(True, bool(found.user_has_entered), closed, found.max_daily_submissions or None)


def _score(text: str | None) -> float | None:
    try:
        score = float(text or "")
    except ValueError:
        return None
    return score if 0 <= score <= 1 else None
