"""What is known of the worth of a segment besides its verdict, in plain words, in French and in English."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from facette.definitions.model import Label, Language
from facette.definitions.validation import Experiment
from facette.validation.quantities import percent
from facette.validation.sentences import spoken
from facette.validation.stability import LEAST_MEMBERS

Row = Mapping[str, Any]

REMARKS: dict[str, dict[Language, str]] = {
    "fixed": {
        "fr": "Règle fixe : un autre échantillon de la population ne déplacerait personne.",
        "en": "A fixed rule: another sample of the population would move nobody.",
    },
    "follows": {
        "fr": "Suit la population ({follows}) : si elle était tirée à nouveau, {mean} des profils resteraient les "
        "mêmes (de {low} à {high}).",
        "en": "It follows the population ({follows}): were that drawn again, {mean} of the profiles would be the same "
        "({low} to {high}).",
    },
    "follows_unsure": {
        "fr": "Suit la population ({follows}), avec moins de {least} profils dans l'échantillon : on ne sait pas à "
        "quel point cela le déplace.",
        "en": "It follows the population ({follows}), with fewer than {least} profiles in the sample: there is no "
        "saying how much that moves it.",
    },
    "learned": {
        "fr": "Suit un modèle ({follows}), qui est réappris de temps en temps : sa stabilité se lit d'un calcul "
        "à l'autre.",
        "en": "It follows a model ({follows}), which is learned anew now and then: how stable it is shows from run "
        "to run.",
    },
    "stayed": {
        "fr": "D'un calcul à l'autre, {mean} des profils restent (de {low} à {high}, sur {runs}).",
        "en": "From one run to the next {mean} of the profiles stay ({low} to {high}, over {runs}).",
    },
    "young": {
        "fr": "Un seul calcul : les mouvements se verront au prochain.",
        "en": "One run only: moves show from the next one on.",
    },
    "adds": {
        "fr": "Apporte quelque chose à « {parent} » : ses membres y diffèrent des autres.",
        "en": "It adds to “{parent}”: its members differ from the others there.",
    },
    "repeats": {
        "fr": "N'apporte rien à « {parent} » : ses membres ne diffèrent pas assez des autres de ce segment.",
        "en": "It adds nothing to “{parent}”: its members do not differ enough from the others of that segment.",
    },
    "same": {
        "fr": "Presque les mêmes personnes que « {nearest} » (en commun : {jaccard}).",
        "en": "Nearly the same people as “{nearest}” ({jaccard} in common).",
    },
    "within": {
        "fr": "Tous ses membres sont dans « {nearest} ».",
        "en": "All its members are in “{nearest}”.",
    },
    "test_days": {
        "fr": "Un test A/B se lirait en {days} jours ({needed} profils).",
        "en": "An A/B test could be read after {days} days ({needed} profiles).",
    },
    "test_constant": {
        "fr": "Un test A/B ne s'y lirait jamais : ce qu'il mesure y est nul, ou ne varie pas.",
        "en": "An A/B test could never be read in it: what it measures is 0 there, or does not vary.",
    },
    "test_large": {
        "fr": "Un test A/B ne s'y lirait jamais : l'effet attendu mènerait au-delà de 100 %.",
        "en": "An A/B test could never be read in it: the effect asked for would lead beyond 100%.",
    },
    "test_nobody": {
        "fr": "Un test A/B ne s'y lirait jamais : il faut {needed} profils, et personne n'y entre.",
        "en": "An A/B test could never be read in it: it takes {needed} profiles, and nobody enters.",
    },
    "test_long": {
        "fr": "Un test A/B ne s'y lirait jamais : il faut {needed} profils, et il en entre {per_day} par jour ; cela "
        "prendrait plus de {within} jours.",
        "en": "An A/B test could never be read in it: it takes {needed} profiles, and {per_day} enter a day; that "
        "would take more than {within} days.",
    },
    "test_young": {
        "fr": "Un test A/B demande {needed} profils ; on ne sait pas encore combien y entrent par jour.",
        "en": "An A/B test takes {needed} profiles; how many enter a day is not known yet.",
    },
    "merge_same": {
        "fr": "À fondre dans « {into} » : ce sont presque les mêmes personnes.",
        "en": "To be merged into “{into}”: they are nearly the same people.",
    },
    "merge_small": {
        "fr": "À fondre dans « {into} » : trop petit pour être suivi à part.",
        "en": "To be merged into “{into}”: too small to be followed by itself.",
    },
    "merge_weak": {
        "fr": "À fondre dans « {into} » : il ne fait pas de différence.",
        "en": "To be merged into “{into}”: it makes no difference.",
    },
    "merge_repeats": {
        "fr": "À fondre dans « {into} » : il n'y ajoute rien.",
        "en": "To be merged into “{into}”: it adds nothing to it.",
    },
    "merge_alike": {
        "fr": "À fondre dans « {into} » : aucun indicateur ne les distingue.",
        "en": "To be merged into “{into}”: no indicator tells them apart.",
    },
}


def remark(case: str, language: Language, **values: Any) -> str:
    """One remark, with its values as the language writes them."""
    return REMARKS[case][language].format(**{name: spoken(value, language) for name, value in values.items()})


def of_stability(row: Row, language: Language, name_of: Callable[[str], str]) -> list[str]:
    """How stable a segment is. row: of the table ``worth``; name_of: what people call a segment, feature or model."""
    follows = ", ".join(name_of(name) for name in row["follows"] or ())
    if row["stability"] is not None and row["kind"] != "fixed":
        told = [remark("follows", language, follows=follows, **_shares(row, "stability", language))]
    elif row["kind"] == "follows":
        told = [remark("follows_unsure", language, follows=follows, least=LEAST_MEMBERS)]
    else:
        told = [remark(row["kind"], language, follows=follows)]
    if row["stayed"] is None:
        return [*told, remark("young", language)]
    is_one = row["stayed_runs"] == 1
    runs = {"fr": "un intervalle" if is_one else "{n} intervalles", "en": "one step" if is_one else "{n} steps"}
    values = _shares(row, "stayed", language) | {"runs": runs[language].format(n=row["stayed_runs"])}
    return [*told, remark("stayed", language, **values)]


def of_place(row: Row, language: Language, name_of: Callable[[str], str], parent: str | None) -> list[str]:
    """What a child adds to its parent, and whether it is nearly another segment, or within one."""
    told = []
    if parent and row["adds"] in ("adds", "repeats"):
        told.append(remark(row["adds"], language, parent=name_of(parent)))
    if row["finding"]:
        jaccard = percent(row["nearest_jaccard"], language)
        told.append(remark(row["finding"], language, nearest=name_of(row["nearest"]), jaccard=jaccard))
    return told


def of_experiment(row: Row, language: Language, asked: Experiment | None) -> list[str]:
    """Whether the planned A/B test can be read; nothing if none is planned."""
    if asked is None or row["experiment"] is None:
        return []
    case = "test_days" if row["experiment"] == "days" else f"test_{row['experiment_why']}"
    values = {name: row[name] for name in ("needed", "per_day", "days")}
    return [remark(case, language, within=asked.within_days, **values)]


def of_merge(row: Row, language: Language, name_of: Callable[[str], str]) -> list[str]:
    """Into which segment it had better be merged; nothing if none."""
    return [remark(f"merge_{row['merge_why']}", language, into=name_of(row["merge_into"]))] if row["merge_into"] else []


def label_in(language: Language, label: Label, name: str) -> str:
    """A label in a language, else in the other one, else the name."""
    other = label.en if language == "fr" else label.fr
    return (label.fr if language == "fr" else label.en) or other or name


def _shares(row: Row, name: str, language: Language) -> dict[str, str]:
    values = {"mean": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"]}
    return {key: percent(value, language) for key, value in values.items()}
