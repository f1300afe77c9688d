"""How well texts are read, by method and language, beside TF-IDF with logistic regression; and how fast.

python benchmarks/text.py [--reviews FILE]

Three sets of labelled texts:
- text_held_out.csv beside this file: 166 sentences in the manner of shops' reviews, written for this. No word and no
  example was taken from it; but which method is the default, what its vectors are made of, and two numbers (strength of
  the regularisation, probability below which nothing is told) were chosen with it in view, so its figures flatter
- the sentences of examples/boutique (French, 24, with the four openings that its people use)
- real ones: amazonReviewSnippets_GroundTruth.txt, 3,708 sentences of reviews in English with the mean of 20 people's
  ratings from -4 to 4 (Hutto and Gilbert 2014), from the archive in the source distribution of vaderSentiment 0.5
  (`pip download --no-deps --no-binary :all: vaderSentiment==0.5`); above 0.5 is positive, below -0.5 negative
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold

from facette.definitions.texts import AnyReading, IntentsText, Labelled, SentimentText, ThemesText
from facette.text.fitting import fit_text
from facette.text.linear import fit_tfidf
from facette.text.readers import TextReader, examples_of

HERE = Path(__file__).parent
BOUTIQUE = HERE.parent / "examples" / "boutique"
LEARN = Labelled(source="labelled", text="text", label="label")
THEMES = {"price": "prix", "delivery": "livraison", "quality": "qualite", "service": "service", "": ""}
MOODS = {"négatif": "negative", "neutre": "neutral", "positif": "positive"}
TASKS = ("sentiment", "theme", "intent")
NONE_BELOW = 0.4
FOLDS = 5

Tell = Callable[[str], str]


class Case(NamedTuple):
    """A labelled text: its language, and its class by task; an empty one is none."""

    text: str
    language: str
    classes: dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", type=Path, help="amazonReviewSnippets_GroundTruth.txt")
    reviews = parser.parse_args().reviews
    cases = held_out()
    print("without labelled texts    accuracy, macro-F1")
    for task in TASKS:
        for method, tell in told_by_examples(task).items():
            figures = [
                f"{language} {scores(tell, [case for case in cases if case.language == language], task)}"
                for language in ("fr", "en")
            ]
            if task in ("sentiment", "theme"):
                figures.append(f"boutique {scores(tell, boutique(), task)}")
            print(f"  {task:10}{method:22}{'   '.join(figures)}", flush=True)
    print(f"learned from labelled texts, {FOLDS}-fold cross-validation on the held-out ones")
    for task in TASKS:
        for method in ("tfidf", "use", "spacy"):
            print(f"  {task:10}{method:22}{crossed(task, method, cases)}", flush=True)
    if reviews:
        real(reviews)
    print("texts per second, one process")
    for method, tell in told_by_examples("sentiment").items():
        print(f"  {method:22}{speed(tell, [case.text for case in cases]):10,.0f}")


# ── texts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def held_out() -> list[Case]:
    with (HERE / "text_held_out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="|"))
    return [
        Case(
            row["text"],
            row["language"],
            {"sentiment": row["sentiment"], "theme": THEMES[row["theme"]], "intent": row["intent"]},
        )
        for row in rows
    ]


def boutique() -> list[Case]:
    sys.path.insert(0, str(BOUTIQUE))
    from shop import french

    return [
        Case(opening + text, "fr", {"theme": theme.replace("é", "e"), "sentiment": MOODS[mood]})
        for (theme, mood), texts in french.ANSWERS.items()
        for text in texts
        for opening in french.OPENINGS
    ]


# ── methods ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def told_by_examples(task: str) -> dict[str, Tell]:
    """Method → how it tells a text, knowing only built-in or declared words and examples."""
    texts, classes = examples_of(reading(task))
    baseline = fit_tfidf(texts, classes, seed=0)

    def plain(text: str) -> str:
        found = baseline.probabilities(text)
        best = max(found, key=lambda name: found[name], default="neutral" if task == "sentiment" else "")
        return best if task == "sentiment" or found.get(best, 0) >= NONE_BELOW else ""

    return {
        "TF-IDF + regression": plain,
        "words": reader(reading(task, method="words")),
        "embedding (use)": reader(reading(task, method="embedding")),
        "embedding (spacy)": reader(reading(task, method="embedding", encoder="spacy")),
    }


def reading(task: str, **said: object) -> AnyReading:
    if task == "sentiment":
        return SentimentText.model_validate({"name": task, "kind": "sentiment", **said})
    if task == "intent":
        return IntentsText.model_validate({"name": task, "kind": "intents", **said})
    declared = yaml.safe_load((BOUTIQUE / "texts.yml").read_text(encoding="utf-8"))["texts"]
    themes = next(item["themes"] for item in declared if item["kind"] == "themes")
    return ThemesText.model_validate({"name": task, "kind": "themes", "themes": themes, **said})


def reader(item: AnyReading, samples: Sequence[tuple[str, str | None]] = ()) -> Tell:
    fitted = TextReader(item, fit_text(item, "", Path(), samples), Path())
    return lambda text: str(fitted.value(text, "text") or "")


def learned(task: str, method: str, samples: Sequence[tuple[str, str]]) -> Tell:
    said: dict[str, object] = {"learn": LEARN, "method": "tfidf" if method == "tfidf" else "embedding"}
    return reader(reading(task, **said, **({} if method == "tfidf" else {"encoder": method})), samples)


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def scores(tell: Tell, cases: Sequence[Case], task: str) -> str:
    return figures([case.classes[task] for case in cases], [tell(case.text) for case in cases])


def figures(truth: Sequence[str], told: Sequence[str]) -> str:
    return f"{accuracy_score(truth, told):.2f} {f1_score(truth, told, average='macro'):.2f}"


def crossed(task: str, method: str, cases: Sequence[Case]) -> str:
    """Both languages are learned together; texts of no class are left out, for nothing can be learned of them."""
    labelled = [case for case in cases if case.classes[task]]
    keys = [f"{case.language} {case.classes[task]}" for case in labelled]
    told: dict[int, str] = {}
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(labelled, keys):
        tell = learned(task, method, [(labelled[i].text, labelled[i].classes[task]) for i in train])
        told |= {int(i): tell(labelled[i].text) for i in test}
    found = []
    for language in ("fr", "en"):
        own = [i for i, case in enumerate(labelled) if case.language == language]
        found.append(f"{language} {figures([labelled[i].classes[task] for i in own], [told[i] for i in own])}")
    return "   ".join(found)


def real(path: Path) -> None:
    """Half of the sentences are learned from, the other half told."""
    cases = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        _, rating, text = line.split("\t")
        mood = "positive" if float(rating) > 0.5 else "negative" if float(rating) < -0.5 else "neutral"
        cases.append(Case(text, "en", {"sentiment": mood}))
    random.Random(0).shuffle(cases)
    train, test = cases[: len(cases) // 2], cases[len(cases) // 2 :]
    samples = [(case.text, case.classes["sentiment"]) for case in train]
    print(f"real reviews in English, {len(train):,} learned from, {len(test):,} told    accuracy, macro-F1")
    for method, tell in told_by_examples("sentiment").items():
        print(f"  not learned    {method:22}{scores(tell, test, 'sentiment')}", flush=True)
    for method in ("tfidf", "use"):
        print(
            f"  learned        {method:22}{scores(learned('sentiment', method, samples), test, 'sentiment')}",
            flush=True,
        )


def speed(tell: Tell, texts: Sequence[str], seconds: float = 2) -> float:
    tell(texts[0])
    n, began = 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        tell(f"{texts[n % len(texts)]} {n}")  # none has been read before
        n += 1
    return n / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
