"""Progress of a download by Kaggle's client."""

from __future__ import annotations

from typing import Any

from kaggle_mnist.utils.progress import Progress


def reporting(download: Any, progress: Progress) -> Any:
    """Wrap the client's `download_file` so that it reports the megabytes received to `progress`."""

    def download_and_report(response: Any, *arguments: Any, **named: Any) -> None:
        total, chunks = int(response.headers.get("Content-Length") or 0), response.iter_content

        def counted(size: int) -> Any:
            done = 0
            for chunk in chunks(size):
                done += len(chunk)
                progress("Downloading", done >> 20, max(done, total) >> 20, "MB")
                yield chunk

        response.iter_content = counted
        download(response, *arguments, **named)

    return download_and_report
