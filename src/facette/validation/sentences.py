"""Why a verdict is what it is, in plain words, in French and in English."""

from __future__ import annotations

from dataclasses import dataclass

from facette.definitions.model import Label, Language

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
    "chance": {
        "fr": "La différence peut être due au hasard : « {kpi} » vaut {inside} en moyenne, {outside} ailleurs ({p}).",
        "en": "The difference may be chance: “{kpi}” is {inside} on average, {outside} elsewhere ({p}).",
    },
    "slight": {
        "fr": "La différence est réelle mais trop faible : « {kpi} » vaut {inside} en moyenne, {outside} ailleurs "
        "({p} ; {measure} = {effect}, il faut {least}).",
        "en": "The difference is real but too slight: “{kpi}” is {inside} on average, {outside} elsewhere "
        "({p}; {measure} = {effect}, where {least} is needed).",
    },
    "worth": {
        "fr": "Utile : « {kpi} » vaut {inside} en moyenne, {outside} ailleurs ({p} ; {measure} = {effect}).",
        "en": "Worth having: “{kpi}” is {inside} on average, {outside} elsewhere ({p}; {measure} = {effect}).",
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
        "fr": "Les groupes sont nets, mais diffèrent trop peu en « {kpi} » ({p} ; {measure} = {effect}, il faut "
        "{least}).",
        "en": "The groups are distinct, but differ too little in “{kpi}” ({p}; {measure} = {effect}, where {least} is "
        "needed).",
    },
    "clusters_worth": {
        "fr": "Utile : les groupes sont nets (silhouette {silhouette}) et diffèrent en « {kpi} » ({p} ; {measure} = "
        "{effect}).",
        "en": "Worth having: the groups are distinct (silhouette {silhouette}) and differ in “{kpi}” ({p}; {measure} = "
        "{effect}).",
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


@dataclass(frozen=True, slots=True)
class Probability:
    """A p value, which is said differently from other numbers."""

    value: float


Said = str | int | float | Probability | Label | None


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
    """1234 → « 1 234 » / “1,234”; 0.03456 → « 0,0346 » / “0.0346”; three significant digits, whole from 1,000 on."""
    match value:
        case None:
            return "–"
        case str():
            return value
        case Label():
            return (value.fr or value.en or "") if language == "fr" else (value.en or value.fr or "")
        case Probability():
            small = value.value < 0.001
            return f"p {'<' if small else '='} {spoken(0.001 if small else value.value, language)}"
        case int():
            text = f"{value:,}"
        case float():
            text = f"{value:,.0f}" if abs(value) >= 1000 else _significant(value)
    return text.translate({ord(","): "\u202f", ord("."): ","}) if language == "fr" else text


def _significant(value: float) -> str:
    text = f"{value:.3g}"
    return f"{float(text):.10f}".rstrip("0").rstrip(".") if "e" in text and abs(value) >= 1e-10 else text
