from __future__ import annotations

import bz2
import io
import lzma
import tarfile

import numpy as np
import pytest

from kaggle_mnist.utils.formats import START, form_of


def tar(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("train.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(3))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (lzma.compress(b"label,pixel0"), "compressed by xz"),
        (bz2.compress(b"label,pixel0"), "compressed by bzip2"),
        (tar(b"label,pixel0"), "a tar archive"),
        (npy(), "a NumPy array"),
        (b"\n<!DOCTYPE HTML>\n<html>", "a web page"),
        (b"\xef\xbb\xbf<html lang='en'>", "a web page"),
        (b'<?xml version="1.0"?>\n<!-- saved -->\n<!DOCTYPE html>', "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "only a pointer of Git LFS"),
    ],
)
def test_a_file_is_recognized_by_its_first_bytes(content: bytes, what: str) -> None:
    form = form_of(content[:START])
    assert form is not None
    assert form.what == what


@pytest.mark.parametrize("text", ["label,pixel0\n7,0\n", "ImageId,Label\n1,7\n", "<label>,0", "", "5,0,0"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_not_taken_for_anything_else(text: str, encoding: str) -> None:
    assert form_of(text.encode(encoding)) is None
