"""What a comparison found, in the lines at the top of its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from kaggle_mnist.significance import SIGNIFICANT, Pair, verdict_of


@dataclass(frozen=True)
class Verdict:
    """A line: whether it names a better run, what it says, and the pair that it is about, if it is about one."""

    text: str
    significant: bool = False
    pair: Pair | None = None


def verdicts(pairs: Sequence[Pair], titles: Mapping[str, str], alike: Sequence[Sequence[str]] = ()) -> list[Verdict]:
    """Sum up pairs of runs: first which run is better, then equal outputs, then what does not differ significantly.

    Parameters
    ----------
    pairs : of runs, in the order of their letters
    titles : letter and name of each run, such as A (mlp), by its letter
    alike : letters of runs that have the same outputs; of these, only the first is compared with others

    Examples
    --------
    >>> found = {"B": 1, "C": 0.5, "D": 0.3, "E": 0}
    >>> pairs = [Pair("A", other, 9, 1, 1, 0.1, 0, 0, p, p) for other, p in found.items()]
    >>> for line in verdicts(pairs, {letter: f"{letter} (mlp)" for letter in "ABCDE"}, [["A", "B"]]):
    ...     print(line.text)
    A (mlp) is better than E (mlp)
    A and B have the same outputs
    Not significantly different from A (mlp): C, D
    """
    copies = {letter for letters in alike for letter in letters[1:]}
    compared = [pair for pair in pairs if not {pair.first, pair.second} & copies]
    lines = [_of_pair(pair, titles) for pair in compared if pair.p_corrected < SIGNIFICANT]
    groups = [f"{', '.join(letters[:-1])} and {letters[-1]}" for letters in alike]
    if groups:
        lines.append(Verdict("; so do ".join([f"{groups[0]} have the same outputs", *groups[1:]])))
    unsure = (pair for pair in compared if pair.p_corrected >= SIGNIFICANT)
    for first, group in groupby(unsure, lambda pair: pair.first):
        same = list(group)
        if len(same) == 1:
            lines.append(_of_pair(same[0], titles))
        else:
            others = ", ".join(pair.second for pair in same)
            lines.append(Verdict(f"Not significantly different from {titles[first]}: {others}"))
    return lines


def _of_pair(pair: Pair, titles: Mapping[str, str]) -> Verdict:
    text = verdict_of(titles[pair.first], titles[pair.second], pair.difference, pair.p_corrected)
    return Verdict(text, pair.p_corrected < SIGNIFICANT, pair)
