"""The words and phrases of a source: in how many of some rows they stand."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_STOPS = re.compile(r"[.!?;:,()\[\]{}\"“”«»|\n\x00]+")
LONGEST = 40  # letters of a word: more is hardly one
LEAST = 0.02  # of the texts must hold a word or phrase for it to be told

# What stands in every text tells nothing of this one. Words of other languages are few enough
# at the top of a list to be seen past.
COMMON = frozenset(
    """a about after all also an and any are as at be because been before but by can could did do
    does each for from get had has have he her here him his how i i'm if in into is it it's its
    just like made make many may me more most my new no not now of on one only or other our out
    over re s she should so some such t than that the their them then there these they this those
    through time to two up us use used using very was we were what when where which while who
    will with would you your""".split()  # noqa: SIM905
)


def top(texts: Iterable[str], *, most: int = 12) -> dict[str, list[tuple[str, int]]]:
    """The words, and the phrases of three to five words, that stand in the most texts.

    Returns
    -------
    dict
        ``words`` and ``phrases``, each a list of ``(words, texts)``. A phrase that stands in no
        more texts than a longer one that holds it is left out.
    """
    words: Counter[str] = Counter()
    phrases: Counter[str] = Counter()
    read = 0
    for text in texts:
        read += 1
        said = [_WORD.findall(part) for part in _STOPS.split(text.lower().replace("’", "'"))]
        words.update({word for part in said for word in part if _is_word(word)} - COMMON)
        phrases.update({phrase for part in said for phrase in _runs(part)})
    least = max(2, math.ceil(read * LEAST))
    return {
        "words": _first(words, most, least),
        "phrases": _maximal(_first(phrases, most * 12, least))[:most],
    }


def _runs(words: Sequence[str]) -> Iterator[str]:
    for length in (3, 4, 5):
        for at in range(len(words) - length + 1):
            run = words[at : at + length]
            if not COMMON.issuperset(run) and all(map(_is_word, run)):
                yield " ".join(run)


def _is_word(word: str) -> bool:
    return len(word) <= LONGEST and not any(map(str.isdigit, word))


def _first(counts: Counter[str], most: int, least: int) -> list[tuple[str, int]]:
    """The most frequent that stand in enough texts; of equals the first by name."""
    often = ((words, count) for words, count in counts.items() if count >= least)
    return sorted(often, key=lambda pair: (-pair[1], pair[0]))[:most]


def _maximal(found: list[tuple[str, int]]) -> list[tuple[str, int]]:
    def within(phrase: str, count: int) -> bool:
        return any(
            len(other) > len(phrase) and f" {phrase} " in f" {other} " and times >= count * 0.9
            for other, times in found
        )

    return [(phrase, count) for phrase, count in found if not within(phrase, count)]
