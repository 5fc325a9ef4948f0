"""Which cosine means "duplicate": measured for each encoder and each kind of text.

    python benchmarks/thresholds.py DATA_FOLDER [--model MODEL_FOLDER] [--show KIND]

Real texts, equal ones (case and white space aside) counted once. At each threshold rows go one by
one in the order of the file: a row is removed if a kept row before it is at or above the
threshold, and the most similar of those is its witness.

Two judges, who know nothing of embeddings:

same:   one text can stand for the other. No word is swapped for another one, except 2% in texts of
        more than fifty words, and few are added (35% of the longer text's words); words are
        compared by their first six letters, function words and verbs of asking ("write", "create")
        left out; the words of texts longer than fifty stand in the same order, by and large.
        "Describe the scene" and "Please describe the scene" are the same; "the root of 25" and
        "the root of 14" are not, and neither is a real paraphrase: the strict side.
alike:  a near-duplicate by its words, as a filter on shingles would call it: at least 80% of the
        words of both are common to both, in the same order, each word weighed by its idf among
        texts of the kind. Texts of one template with other arguments are alike.

precision: of the removed rows, those that are the same as (alike) their witness.
recall:    of the rows with the same text before them (sought among the nearest ten of either
           encoder), those that are removed.
removed:   of all rows.
Then, on planted pairs: edits that leave a duplicate, and changes of one number or one rare word,
which make another text. The figures are the shares of pairs at or above the threshold.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from datamerge.embed import Encoder, encoder

SWAPPED, ADDED, ORDERED, LONG, ALIKE = 0.02, 0.35, 0.6, 50, 0.8
THRESHOLDS = (0.70, 0.75, 0.80, 0.85, 0.90, 0.925, 0.95, 0.96, 0.97, 0.98, 0.99)
ROWS = {
    "prompt": 6000,
    "templated prompt": 2500,
    "answer": 3000,
    "chat": 5000,
    "templated chat": 2500,
    "line": 8000,
}
JUDGED = 400
UNTELLING = """
a about all also an and any are as asked at be been being but by can could did do does for from had
has have he her here his how i if in into is it its just like me my no not of on or our out over
please she should so some such than that the their them then there these they this those to up us
was we were what when where which while who will with would you your sure certainly thank thanks
write create design implement develop build make generate give provide find construct produce
determine calculate compute show tell describe explain list get using use used given following code
program function method script simple basic new task question answer text called named
"""
WORD = re.compile(r"\w+|[^\w\s]")


# The texts.


def gpteacher(folder: Path, name: str) -> list[tuple[str, str]]:
    """Prompt and answer of every record of one file."""
    rows = json.loads((folder / f"sft/gpteacher_{name}.json").read_text())
    return [
        (f"{row['instruction']}\n{row.get('input') or ''}".strip(), row["response"]) for row in rows
    ]


def plain(folder: Path) -> list[tuple[str, str]]:
    """Prompt and answer of every record of the instruction sets that are not from a template."""
    found = gpteacher(folder, "roleplay") + gpteacher(folder, "codegen")
    for line in (folder / "sft/gsm8k_train.jsonl").read_text().splitlines():
        row = json.loads(line)
        found.append((row["question"], row["answer"]))
    with gzip.open(folder / "sft/hh_harmless_test.jsonl.gz", "rt") as lines:
        for line in lines:
            turns = re.split(r"\n\n(?:Human|Assistant): ", json.loads(line)["chosen"])[1:]
            found.append(("\n\n".join(turns[::2]), "\n\n".join(turns[1::2])))
    return found


def kinds(folder: Path) -> dict[str, list[str]]:
    """A sample of each kind of text, equal ones once."""
    chats, tools = plain(folder), gpteacher(folder, "toolformer")
    answers = pd.read_parquet(folder / "bench/alpaca_eval_60.parquet")
    asked = answers["instruction"].drop_duplicates().sample(50, random_state=0)
    summaries = pd.read_parquet(folder / "bench/pypi_summaries.parquet").dropna()
    # Neighbours by name, because packages of one family have summaries that are alike.
    summaries = summaries.sort_values("name", ignore_index=True)["summary"]
    summaries = summaries[np.arange(len(summaries)) % 40_000 < 500]
    texts = {
        "prompt": [prompt for prompt, _ in chats] + answers["instruction"].unique().tolist(),
        "answer": answers.loc[answers["instruction"].isin(asked), "output"].tolist(),
        "templated prompt": [prompt for prompt, _ in tools],
        "chat": ["\n\n".join(chat) for chat in chats],
        "templated chat": ["\n\n".join(chat) for chat in tools],
        "line": summaries.tolist(),
    }
    rng = random.Random(0)
    return {kind: sample(found, ROWS[kind], rng) for kind, found in texts.items()}


def sample(texts: list[str], rows: int, rng: random.Random) -> list[str]:
    different = list(
        {" ".join(text.lower().split()): text for text in texts if text.strip()}.values()
    )
    return rng.sample(different, min(rows, len(different)))


# The judge.


def stem(word: str) -> str:
    return word[:6] if word.isalpha() else word


PASSED_OVER = {stem(word) for word in UNTELLING.split()}


@dataclass
class Judge:
    texts: list[str]
    verdicts: dict[tuple[str, int, int], bool] = field(default_factory=dict)

    @cached_property
    def words(self) -> list[list[str]]:
        return [[stem(word) for word in WORD.findall(text.lower())] for text in self.texts]

    @cached_property
    def weight(self) -> dict[str, float]:
        in_texts = Counter(word for words in self.words for word in set(words))
        return {word: math.log(len(self.texts) / n) + 0.1 for word, n in in_texts.items()}

    @cached_property
    def telling(self) -> list[set[str]]:
        """A text's words without those that say little; all where nothing else is left."""
        found = []
        for words in self.words:
            rest = {word for word in words if len(word) > 1 or word.isalnum()} - PASSED_OVER
            found.append(rest or set(words))
        return found

    def says(self, verdict: str, a: int, b: int) -> bool:
        key = (verdict, min(a, b), max(a, b))
        if key not in self.verdicts:
            self.verdicts[key] = getattr(self, f"_{verdict}")(*key[1:])
        return self.verdicts[key]

    def _same(self, a: int, b: int) -> bool:
        left, right = self.telling[a], self.telling[b]
        fewer, more = sorted((len(left), len(right)))
        swapped, added = sorted((len(left - right), len(right - left)))
        if swapped > math.floor(SWAPPED * fewer) or added > ADDED * more:
            return False
        if min(len(self.words[a]), len(self.words[b])) <= LONG:
            return True
        return (
            SequenceMatcher(None, self.words[a], self.words[b], autojunk=False).ratio() >= ORDERED
        )

    def _alike(self, a: int, b: int) -> bool:
        left, right = self.words[a], self.words[b]
        total = self._weigh(left) + self._weigh(right)
        if 2 * self._weigh((Counter(left) & Counter(right)).elements()) < ALIKE * total:
            return False
        blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
        return 2 * self._weigh(w for m in blocks for w in left[m.a : m.a + m.size]) >= ALIKE * total

    def _weigh(self, words: Iterable[str]) -> float:
        return sum(map(self.weight.__getitem__, words))


# What an encoder does with the texts as they are.


def removed_by(vectors: np.ndarray, threshold: float) -> dict[int, int]:
    """Removed rows and their witnesses."""
    kept: list[int] = []
    matrix = np.empty_like(vectors)
    witness = {}
    for row, vector in enumerate(vectors):
        scores = matrix[: len(kept)] @ vector
        best = int(scores.argmax()) if kept else -1
        if kept and scores[best] >= threshold:
            witness[row] = kept[best]
        else:
            matrix[len(kept)] = vector
            kept.append(row)
    return witness


def nearest_before(vectors: np.ndarray, count: int = 10) -> list[tuple[int, int]]:
    found = []
    for row in range(1, len(vectors)):
        scores = vectors[:row] @ vectors[row]
        best = np.argpartition(-scores, min(count, row) - 1)[:count]
        found += [(int(other), row) for other in best if scores[other] > 0.5]
    return found


def at_thresholds(vectors: np.ndarray, judge: Judge, wanted: set[int]) -> list[dict[str, float]]:
    rows = []
    for threshold in THRESHOLDS:
        witness = removed_by(vectors, threshold)
        judged = random.Random(0).sample(sorted(witness), min(JUDGED, len(witness)))
        right = {
            verdict: sum(judge.says(verdict, row, witness[row]) for row in judged)
            for verdict in ("same", "alike")
        }
        rows.append(
            {
                "threshold": threshold,
                **{
                    verdict: n / len(judged) if judged else math.nan for verdict, n in right.items()
                },
                "recall": len(wanted & set(witness)) / max(1, len(wanted)),
                "removed": len(witness) / len(vectors),
            }
        )
    return rows


# Planted pairs.

OTHER_WORDS = {
    "write": "compose", "make": "create", "use": "utilize", "get": "obtain", "show": "display",
    "big": "large", "small": "little", "good": "great", "help": "assist", "find": "locate",
    "give": "provide", "need": "require", "list": "enumerate", "explain": "describe",
    "simple": "easy", "fast": "quick", "start": "begin", "many": "numerous", "also": "additionally",
    "but": "however", "is not": "isn't", "do not": "don't", "it is": "it's", "can not": "can't",
}  # fmt: skip


def retyped(text: str, rng: random.Random) -> str:
    return re.sub(r"[.,!?;:]", "", text).upper() if rng.random() < 0.5 else text.lower() + " ..."


def misspelt(text: str, rng: random.Random) -> str:
    def swap(match: re.Match[str]) -> str:
        word = match.group()
        at = rng.randrange(1, len(word) - 1)
        mixed = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return mixed if rng.random() < 0.04 else word

    return re.sub(r"[a-zA-Z]{4,}", swap, text)


def reworded(text: str, rng: random.Random) -> str:
    for word, other in OTHER_WORDS.items():
        text = re.sub(rf"\b{word}\b", other, text, flags=re.IGNORECASE)
    return text


def wrapped(text: str, rng: random.Random) -> str:
    return f"{rng.choice(['Please help me with this:', 'Sure, here you go:'])} {text} Thank you!"


def shortened(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    return " ".join(words[: max(1, int(len(words) * 0.9))])


def renumbered(text: str, rng: random.Random) -> str:
    found = list(re.finditer(r"\d+", text))
    chosen = rng.choice(found) if found else None
    return (
        text[: chosen.start()]
        + str(int(chosen.group()[:9]) + rng.randint(1, 9))
        + text[chosen.end() :]
        if chosen
        else text
    )


def renamed(judge: Judge) -> Callable[[str, random.Random], str]:
    rare = sorted(
        w
        for text in judge.texts
        for w in WORD.findall(text)
        if w.islower() and judge.weight[stem(w)] > 6
    )

    def change(text: str, rng: random.Random) -> str:
        words = sorted(set(re.findall(r"[A-Za-z]{3,}", text)))
        known = [word for word in words if stem(word.lower()) in judge.weight]
        rarest = max(known, key=lambda word: judge.weight[stem(word.lower())], default=None)
        return re.sub(rf"\b{rarest}\b", rng.choice(rare), text) if rarest else text

    return change


def planted(texts: list[str], judge: Judge) -> dict[str, list[tuple[str, str]]]:
    edits = {
        "retyped": retyped, "misspelt": misspelt, "reworded": reworded, "wrapped": wrapped,
        "shortened": shortened, "NUMBER": renumbered, "WORD": renamed(judge),
    }  # fmt: skip
    some = random.Random(1).sample(texts, 600)
    pairs = {}
    for name, edit in edits.items():
        rng = random.Random(2)
        made = [(text, edit(text, rng)) for text in some]
        pairs[name] = [(a, b) for a, b in made if " ".join(a.split()) != " ".join(b.split())][:300]
    return pairs


def share_above(model: Encoder, pairs: list[tuple[str, str]]) -> np.ndarray:
    if not pairs:
        return np.full(len(THRESHOLDS), math.nan)
    left, right = (model.encode([pair[side] for pair in pairs]) for side in (0, 1))
    scores = (left * right).sum(axis=1)
    return (scores[:, None] >= np.array(THRESHOLDS)).mean(axis=0)


def show(texts: list[str], vectors: np.ndarray, judge: Judge, threshold: float) -> None:
    """Removed rows beside their witnesses, to be judged by a reader."""
    witness = removed_by(vectors, threshold)
    for row in random.Random(3).sample(sorted(witness), min(25, len(witness))):
        other = witness[row]
        verdicts = {verdict: judge.says(verdict, row, other) for verdict in ("same", "alike")}
        print(f"\n{vectors[row] @ vectors[other]:.3f} {verdicts}")
        print(f"   {texts[row][:300]!r}\n   {texts[other][:300]!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure which cosine means duplicate.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", help="a second encoder: a folder or a name on the Hub")
    parser.add_argument("--kinds", nargs="*", default=list(ROWS))
    parser.add_argument("--show", type=float, help="print removed pairs at this threshold")
    options = parser.parse_args()
    encoders = {"static": encoder()} | ({"model": encoder(options.model)} if options.model else {})
    for kind, texts in kinds(options.data).items():
        if kind not in options.kinds:
            continue
        judge = Judge(texts)
        vectors = {name: model.encode(texts) for name, model in encoders.items()}
        pairs = {pair for found in vectors.values() for pair in nearest_before(found)}
        wanted = {row for other, row in pairs if judge.says("same", other, row)}
        print(
            f"\n{kind}: {len(texts)} texts, {len(wanted)} with a duplicate before them", flush=True
        )
        plants = planted(texts, judge)
        for name, model in encoders.items():
            table = pd.DataFrame(at_thresholds(vectors[name], judge, wanted))
            for edit, made in plants.items():
                table[edit] = share_above(model, made)
            print(f"{kind}, {name}\n{table.round(3).to_string(index=False)}", flush=True)
            if options.show:
                show(texts, vectors[name], judge, options.show)


if __name__ == "__main__":
    main()
