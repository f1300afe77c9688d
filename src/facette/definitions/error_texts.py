"""What goes wrong with questions about people and segments, as whoever asks over HTTP reads it: in French and English.

An error is English by itself, as everything on the command line is; it remembers its key, by which it is said in the
language of whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from facette.definitions.base import Language
from facette.definitions.findings import nearest, suggestion
from facette.errors import FacetteError

E = TypeVar("E", bound=FacetteError)

ERRORS: dict[str, dict[Language, tuple[str, str]]] = {
    "no_profile": {
        "fr": ("Il n'y a pas de profil {profile}.", "Cherchez-le par un identifiant."),
        "en": ("There is no profile {profile}.", "Look it up by an identifier."),
    },
    "nobody_has": {
        "fr": ("Personne n'a « {value} » pour {kind}.", ""),
        "en": ("Nobody has the {kind} “{value}”.", ""),
    },
    "no_kind": {
        "fr": ("« {kind} » n'est pas une sorte d'identifiant.", "Demandez par {kinds}."),
        "en": ("`{kind}` is no kind of identifier.", "Ask by {kinds}."),
    },
    "nothing_known": {
        "fr": ("On ne sait rien du profil {profile} à cet instant.", ""),
        "en": ("Nothing is known of profile {profile} at this instant.", ""),
    },
    "not_counted": {
        "fr": (
            "Le profil {profile} ne fait pas partie de la population : il n'est dans aucun segment.",
            "Voyez `population` dans facette.yml.",
        ),
        "en": (
            "Profile {profile} is not in the population, so it is in no segment.",
            "See `population` in facette.yml.",
        ),
    },
    "no_segment": {
        "fr": ("Il n'y a pas de segment {segment}.", "{suggestion}"),
        "en": ("There is no segment {segment}.", "{suggestion}"),
    },
    "several_segments": {
        "fr": ("« {segment} » peut désigner plusieurs segments.", "Précisez : {segments}."),
        "en": ("“{segment}” could be several segments.", "Say which: {segments}."),
    },
    "no_language": {
        "fr": ("Les explications ne parlent pas « {language} ».", "Choisissez {languages}."),
        "en": ("Explanations do not speak “{language}”.", "Choose {languages}."),
    },
    "not_fitted": {
        "fr": (
            "Le modèle {model} est nouveau, ou a changé depuis l'exécution publiée {run}.",
            "Lancez `facette run`, qui l'ajuste.",
        ),
        "en": (
            "The model {model} is new or has changed since the published run {run}.",
            "Run `facette run`, which fits it.",
        ),
    },
    "too_many_ask": {
        "fr": ("Trop d'explications sont demandées à la fois.", "Réessayez dans quelques secondes."),
        "en": ("Too many ask for explanations.", "Try again in a few seconds."),
    },
    "not_ready": {
        "fr": ("Le moteur en direct n'est pas prêt.", "Réessayez dans quelques secondes."),
        "en": ("The worker is not ready.", "Try again in a few seconds."),
    },
    "no_state": {
        "fr": ("Aucun moteur en direct n'a encore tenu {project} à jour.", "Lancez-y `facette stream`."),
        "en": ("No worker has kept {project} up to date yet.", "Start `facette stream` there."),
    },
    "base_gone": {
        "fr": ("L'exécution {run}, sur laquelle l'état en direct repose, n'est plus là.", "Relancez `facette stream`."),
        "en": ("The run {run} that the live state builds on is gone.", "Start `facette stream` again."),
    },
    "unreadable": {
        "fr": (
            "La table publiée {table} ne peut pas être lue : {why}.",
            "Lancez `facette run`, puis relancez le moteur en direct.",
        ),
        "en": ("The published table {table} cannot be read: {why}.", "Run `facette run`, and start the worker again."),
    },
    "unusable_state": {
        "fr": (
            "L'état du moteur en direct, {path}, ne peut pas être utilisé : {why}.",
            "Faites de la place sur le disque, ou vérifiez que son dossier peut être écrit. Ce qu'il contient "
            "peut être refait : supprimez {folder}, et relancez ; les changements "
            "depuis l'exécution publiée sont alors redits.",
        ),
        "en": (
            "The state of the worker, {path}, cannot be used: {why}.",
            "Make room on the disk, or see whether its folder may be written. What is in it can be made anew: "
            "remove {folder}, and start again; changes since the published run are then told again.",
        ),
    },
    "one_identifier": {
        "fr": ("On cherche un profil par un seul identifiant.", "Donnez {kinds} : /v1/profiles?SORTE=VALEUR."),
        "en": ("Profiles are looked up by one identifier.", "Give one of {kinds}: /v1/profiles?KIND=VALUE."),
    },
    "no_parameter": {
        "fr": ("Il n'y a pas de paramètre `{name}` ici.", "Sont compris : {known}."),
        "en": ("There is no parameter `{name}` here.", "It takes {known}."),
    },
    "no_parameters": {
        "fr": ("Il n'y a pas de paramètre `{name}` ici.", "Il n'y en a aucun."),
        "en": ("There is no parameter `{name}` here.", "It takes none."),
    },
    "no_number": {
        "fr": ("`{name}` ne peut pas être « {text} ».", "Donnez un nombre entier de {least} à {most}."),
        "en": ("`{name}` cannot be “{text}”.", "Give a whole number from {least} to {most}."),
    },
    "no_key": {
        "fr": ("Il manque une clé, ou ce n'en est pas une de ce projet.", "Envoyez `Authorization: Bearer CLÉ`."),
        "en": ("A key is missing, or is not one of this project.", "Send `Authorization: Bearer KEY`."),
    },
    "not_ours": {
        "fr": (
            "Destination {sink} : des clés de Redis qui commencent par `{prefix}` sont à quelqu'un d'autre.",
            "Donnez-lui un autre `prefix`, ou effacez ces clés, puis relancez `facette stream`.",
        ),
        "en": (
            "Sink {sink}: there are keys in Redis that begin with `{prefix}` and belong to somebody else.",
            "Give the sink another `prefix`, or delete these keys, and start the worker again.",
        ),
    },
    "of_another": {
        "fr": (
            "Destination {sink} : les clés de Redis qui commencent par `{prefix}` sont au projet {project}.",
            "Donnez-lui un autre `prefix`, ou effacez ces clés, puis relancez `facette stream`.",
        ),
        "en": (
            "Sink {sink}: the keys in Redis that begin with `{prefix}` belong to project {project}.",
            "Give the sink another `prefix`, or delete these keys, and start the worker again.",
        ),
    },
    "of_its_name": {
        "fr": (
            "Destination {sink} : les clés de Redis qui commencent par `{prefix}` sont à un autre projet du même nom, "
            "{project} : deux projets ne peuvent pas remplir les mêmes clés.",
            "Donnez un autre `prefix` à l'un des deux. Si c'est ce projet-ci, déplacé ou refait à neuf, effacez la clé "
            "`{prefix}position` et donnez à `{prefix}owner` la valeur {project}, puis relancez `facette stream`.",
        ),
        "en": (
            "Sink {sink}: the keys in Redis that begin with `{prefix}` belong to another project of the same name, "
            "{project}: two projects cannot fill the same keys.",
            "Give one of the two another `prefix`. If it is this project, which was moved or made anew, delete the key "
            "`{prefix}position`, set `{prefix}owner` to {project}, and start the worker again.",
        ),
    },
    "nothing_here": {"fr": ("Il n'y a rien ici.", ""), "en": ("There is nothing here.", "")},
    "no_method": {
        "fr": ("On ne peut pas {method} ici.", "Demandez par GET."),
        "en": ("{method} is not possible here.", "Ask by GET."),
    },
    "unthought_of": {
        "fr": ("Il s'est passé quelque chose d'imprévu : {name}.", ""),
        "en": ("Something went wrong that nobody thought of: {name}.", ""),
    },
}


def said(kind: type[E], key: str, /, **values: object) -> E:
    """An error of a kind, in English, that can be said in French too."""
    message, remedy = in_language("en", key, values)
    error = kind(message, remedy=remedy)
    error.said = key, values
    return error


def in_language(language: Language, key: str, values: dict[str, object]) -> tuple[str, str]:
    """What is wrong, and what to do, in a language. A value that is a function of the language is asked."""
    told = {name: value(language) if callable(value) else value for name, value in values.items()}
    message, remedy = ERRORS[key][language]
    return message.format(**told), remedy.format(**told)


def spoken(error: FacetteError, language: Language) -> tuple[str, str]:
    """The same of an error; one that has no texts stays as it is."""
    if error.said is None:
        return error.message, error.remedy
    return in_language(language, *error.said)


def listed(language: Language, words: Iterable[str]) -> str:
    """“fr or en”."""
    return f" {'ou' if language == 'fr' else 'or'} ".join(words)


def suggested(language: Language, name: str, known: Iterable[str]) -> str:
    """What to write instead, as :func:`suggestion` has it."""
    names = list(dict.fromkeys(known))
    if language == "en":
        return suggestion(name, names)
    if near := nearest(name, names):
        return f"vouliez-vous dire {listed('fr', [f'`{item}`' for item in near])} ?"
    shown = ", ".join(f"`{item}`" for item in names[:8])
    return f"il y a {shown}{' et d’autres' if len(names) > 8 else ''}" if names else "aucun n'est défini"
