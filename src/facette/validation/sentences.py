"""Why a verdict is what it is, in plain words, in French and in English."""

from __future__ import annotations

from dataclasses import dataclass

from facette.definitions.model import Label, Language
from facette.validation.quantities import number, quantity

LANGUAGES: tuple[Language, ...] = ("fr", "en")

SENTENCES: dict[str, dict[Language, str]] = {
    "empty": {
        "fr": "Personne n'y est : la règle n'est vraie pour aucun profil.",
        "en": "Nobody is in it: the rule is true for no profile.",
    },
    "small": {
        "fr": "Trop petit : {members} profils, il en faut {minimum}.",
        "en": "Too small: {members} profiles, where {minimum} are needed.",
    },
    "refers": {
        "fr": "Sa règle cite {segments}, qui est retenu.",
        "en": "It refers to {segments}, which is held back.",
    },
    "small_cluster": {
        "fr": "Le plus petit groupe a {members} profils, il en faut {minimum}.",
        "en": "The smallest group has {members} profiles, where {minimum} are needed.",
    },
    "no_kpi": {
        "fr": "Aucun indicateur n'est choisi (validation: kpi) : on ne peut pas dire si cela distingue.",
        "en": "No indicator is chosen (validation: kpi), so there is no saying whether it makes a difference.",
    },
    "everybody": {
        "fr": "Tout le monde y est : il n'y a personne à qui comparer.",
        "en": "Everybody is in it: there is nobody to compare with.",
    },
    "kpi_unknown": {
        "fr": "« {kpi} » ne varie pas, ou n'est connu que d'un côté : on ne peut pas comparer.",
        "en": "“{kpi}” does not vary, or is known on one side only: there is nothing to compare.",
    },
    "versus": {
        "fr": "« {kpi} » vaut {inside} {centre}, {outside} ailleurs",
        "en": "“{kpi}” is {inside} {centre}, {outside} elsewhere",
    },
    "versus_same": {
        "fr": "« {kpi} » vaut {inside} {centre}, dedans comme ailleurs",
        "en": "“{kpi}” is {inside} {centre}, inside as elsewhere",
    },
    "versus_spread": {
        "fr": "« {kpi} » vaut {inside} {centre}, dedans comme ailleurs, mais s'y répartit autrement",
        "en": "“{kpi}” is {inside} {centre}, inside as elsewhere, but is spread otherwise",
    },
    "chance": {
        "fr": "La différence peut être due au hasard ({p}) : {versus}.",
        "en": "The difference may be chance ({p}): {versus}.",
    },
    "slight": {
        "fr": "La différence n'est {certainty} pas un hasard ({p}), mais l'effet est trop faible ({measure} = "
        "{effect}, il faut {least}) : {versus}.",
        "en": "The difference is {certainty} not chance ({p}), but the effect is too slight ({measure} = {effect}, "
        "where {least} is needed): {versus}.",
    },
    "worth": {
        "fr": "Utile : {versus}. Effet {strength} ({measure} = {effect}), {certainty} pas dû au hasard ({p}).",
        "en": "Worth having: {versus}. The effect is {strength} ({measure} = {effect}) and {certainty} not chance "
        "({p}).",
    },
    "blurred": {
        "fr": "Les groupes se distinguent mal : silhouette {silhouette} (il faut au moins {least_silhouette}), "
        "Davies-Bouldin {davies_bouldin} (au plus {most_davies_bouldin}).",
        "en": "The groups are blurred: silhouette {silhouette} (at least {least_silhouette} is needed), "
        "Davies–Bouldin {davies_bouldin} (at most {most_davies_bouldin}).",
    },
    "clusters_chance": {
        "fr": "Les groupes sont nets, mais leurs différences de « {kpi} » peuvent être dues au hasard ({p}).",
        "en": "The groups are distinct, but their differences in “{kpi}” may be chance ({p}).",
    },
    "clusters_slight": {
        "fr": "Les groupes sont nets, mais diffèrent trop peu en « {kpi} » ({measure} = {effect}, il faut {least}), "
        "même si ce n'est {certainty} pas un hasard ({p}).",
        "en": "The groups are distinct, but differ too little in “{kpi}” ({measure} = {effect}, where {least} is "
        "needed), even if that is {certainty} not chance ({p}).",
    },
    "clusters_worth": {
        "fr": "Utile : les groupes sont nets (silhouette {silhouette}) et diffèrent en « {kpi} ». Effet {strength} "
        "({measure} = {effect}), {certainty} pas dû au hasard ({p}).",
        "en": "Worth having: the groups are distinct (silhouette {silhouette}) and differ in “{kpi}”. The effect is "
        "{strength} ({measure} = {effect}) and {certainty} not chance ({p}).",
    },
    "circular": {
        "fr": "Attention : « {kpi} » a servi à former les groupes, la différence ne prouve donc rien.",
        "en": "Beware: “{kpi}” helped to form the groups, so the difference proves nothing.",
    },
    "distinct": {
        "fr": "Groupes nets : silhouette {silhouette}, Davies-Bouldin {davies_bouldin}.",
        "en": "Distinct groups: silhouette {silhouette}, Davies–Bouldin {davies_bouldin}.",
    },
    "no_better_than_chance": {
        "fr": "Le score ne classe pas mieux que le hasard : AUC {auc}, au moins {low} avec 95 % de certitude (il faut "
        "plus de {chance}).",
        "en": "The score ranks no better than chance: AUC {auc}, at least {low} with 95% confidence (more than "
        "{chance} is needed).",
    },
    "ranks": {
        "fr": "Le score classe mieux que le hasard : AUC {auc}, au moins {low} avec 95 % de certitude.",
        "en": "The score ranks better than chance: AUC {auc}, at least {low} with 95% confidence.",
    },
}


CENTRES = {
    "kruskal": Label(fr="en médiane", en="at the median"),  # the test compares ranks, and so do medians
    "anova": Label(fr="en moyenne", en="on average"),
}
STRENGTHS = (
    (0.14, Label(fr="fort", en="large")),
    (0.06, Label(fr="moyen", en="medium")),
    (0.01, Label(fr="faible", en="small")),
    (0.0, Label(fr="infime", en="slight")),
)
"""Least η² of each word: Cohen (1988), "Statistical power analysis for the behavioral sciences", pp. 285–287, where
f is 0.40, 0.25 and 0.10. ε² is the η² of the ranks, so the same words hold for it."""
CERTAINTIES = (
    (0.001, Label(fr="presque sûrement", en="almost surely")),
    (0.01, Label(fr="très probablement", en="very probably")),
    (1.0, Label(fr="probablement", en="probably")),
)
"""What is said of a p value below each bound, when it is below what the project asks for."""


@dataclass(frozen=True, slots=True)
class Probability:
    """A p value, which is said differently from other numbers."""

    value: float


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit."""

    value: float | None
    unit: str


Said = str | int | float | Probability | Quantity | Label | None


def strength(effect: float) -> Label:
    """ε² or η² in a word."""
    return next(word for least, word in STRENGTHS if effect >= least)


def certainty(p: float) -> Label:
    """How surely a difference is not chance."""
    return next((word for bound, word in CERTAINTIES if p < bound), CERTAINTIES[-1][1])


def say(*cases: str, **values: Said) -> dict[Language, str]:
    """The sentences of the cases, one after the other, in each language, with its way of writing numbers."""
    return {
        language: " ".join(
            SENTENCES[case][language].format(**{name: spoken(value, language) for name, value in values.items()})
            for case in cases
        )
        for language in LANGUAGES
    }


def spoken(value: Said, language: Language) -> str:
    """A value as a sentence of the language has it."""
    match value:
        case str():
            return value
        case Label():
            return (value.fr or value.en or "") if language == "fr" else (value.en or value.fr or "")
        case Probability(value=p):
            return f"p {'<' if p < 0.001 else '='} {number(max(p, 0.001), language)}"
        case Quantity(value=amount, unit=unit):
            return quantity(amount, unit, language)
    return number(value, language)
