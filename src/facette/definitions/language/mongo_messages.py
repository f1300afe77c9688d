"""Why a condition of another system is no rule, in French and English: what is wrong, then what to do."""

from __future__ import annotations

from facette.definitions.language.messages import Language

WHOLE: dict[Language, str] = {"fr": "Toute la condition", "en": "The whole condition"}

# reason → language → (what is wrong, what to do)
REASONS: dict[str, dict[Language, tuple[str, str]]] = {
    "json": {
        "fr": ("ceci n'est pas du JSON ({found}).", 'Donnez un objet, par exemple {{"pays": "FR"}}.'),
        "en": ("this is not JSON ({found}).", 'Give an object, for instance {{"country": "FR"}}.'),
    },
    "no_object": {
        "fr": ("une condition est un objet JSON.", 'Écrivez par exemple {{"pays": "FR"}}.'),
        "en": ("a condition is a JSON object.", 'Write for instance {{"country": "FR"}}.'),
    },
    "nothing": {
        "fr": (
            "il n'y a rien ici : une condition vide est vraie de tout le monde ou de personne.",
            "Retirez-la, ou dites de quoi elle est vraie.",
        ),
        "en": (
            "there is nothing here: an empty condition is true of everybody or of nobody.",
            "Leave it out, or say what it is true of.",
        ),
    },
    "no_list": {
        "fr": ("il faut une liste ici.", "Mettez les valeurs entre crochets : […]."),
        "en": ("a list is needed here.", "Put the values in brackets: […]."),
    },
    "too_deep": {
        "fr": ("plus de {limit} niveaux sont imbriqués.", "Faites-en plusieurs segments."),
        "en": ("more than {limit} levels are nested.", "Make several segments of it."),
    },
    "unknown": {
        "fr": ("« {found} » n'est pas un opérateur connu.", "Opérateurs possibles ici : {names}."),
        "en": ("“{found}” is not a known operator.", "What can stand here: {names}."),
    },
    "misplaced": {
        "fr": ("« {found} » n'a pas sa place ici.", 'Nommez d\'abord un attribut : {{"age": {{"$gt": 18}}}}.'),
        "en": ("“{found}” does not fit here.", 'Name an attribute first: {{"age": {{"$gt": 18}}}}.'),
    },
    "list": {
        "fr": (
            "une caractéristique a une seule valeur, jamais une liste.",
            "Déclarez une caractéristique oui/non par valeur, ou un événement par élément : A FAIT … OÙ …",
        ),
        "en": (
            "a trait has one value, never a list.",
            "Declare a yes/no trait per value, or an event per element: DID … WHERE …",
        ),
    },
    "list_value": {
        "fr": ("une caractéristique n'est jamais égale à une liste.", "Pour l'une de plusieurs valeurs : $in."),
        "en": ("a trait never equals a list.", "For one of several values: $in."),
    },
    "object": {
        "fr": (
            "une caractéristique n'est jamais égale à un objet.",
            'Nommez chaque attribut par son chemin : {{"{path}.…": …}}.',
        ),
        "en": ("a trait never equals an object.", 'Name each attribute by its path: {{"{path}.…": …}}.'),
    },
    "object_value": {
        "fr": ("une valeur est un texte, un nombre ou une date.", 'Une date s\'écrit {{"$date": "2026-11-22"}}.'),
        "en": ("a value is text, a number or a date.", 'Write a date as {{"$date": "2026-11-22"}}.'),
    },
    "type": {
        "fr": (
            "le type d'une caractéristique est déclaré, et le même pour tous.",
            "Retirez ce test ; pour la présence d'une valeur : $exists.",
        ),
        "en": (
            "the type of a trait is declared, and the same for everybody.",
            "Leave this test out; for a value's presence: $exists.",
        ),
    },
    "version": {
        "fr": (
            "les versions n'ont pas d'ordre dans une règle.",
            "Donnez leurs numéros par des caractéristiques numériques (majeur, mineur) et comparez celles-ci.",
        ),
        "en": (
            "versions have no order in a rule.",
            "Give their numbers as numeric traits (major, minor) and compare those.",
        ),
    },
    "text_order": {
        "fr": (
            "les textes n'ont pas d'ordre dans une règle.",
            'Comparez un nombre, ou une date : {{"$date": "2026-11-22"}}, {{"$date": "2026-11-22T08:30:00Z"}}.',
        ),
        "en": (
            "texts have no order in a rule.",
            'Compare a number, or a date: {{"$date": "2026-11-22"}}, {{"$date": "2026-11-22T08:30:00Z"}}.',
        ),
    },
    "no_order": {
        "fr": ("null, true et false n'ont pas d'ordre.", "Employez $eq ou $exists."),
        "en": ("null, true and false have no order.", "Use $eq or $exists."),
    },
    "no_truth": {
        "fr": ("$exists demande true ou false.", 'Écrivez {{"$exists": true}}.'),
        "en": ("$exists takes true or false.", 'Write {{"$exists": true}}.'),
    },
    "no_pattern": {
        "fr": ("une expression régulière est un texte.", 'Écrivez par exemple {{"$regex": "^Saint"}}.'),
        "en": ("a regular expression is text.", 'Write for instance {{"$regex": "^Saint"}}.'),
    },
    "pattern": {
        "fr": (
            "« {found} » dit plus que le début, la fin ou une partie d'un texte.",
            "Gardez des caractères simples, ^ au début, $ à la fin et (a|b) ; ou déclarez une caractéristique oui/non.",
        ),
        "en": (
            "“{found}” says more than the start, the end or a part of a text.",
            "Keep to plain characters, ^ at the start, $ at the end and (a|b); or declare a yes/no trait.",
        ),
    },
    "empty_pattern": {
        "fr": ("ce motif est vrai de tout texte.", 'Pour la présence d\'une valeur : {{"$exists": true}}.'),
        "en": ("this pattern is true of every text.", 'For a value\'s presence: {{"$exists": true}}.'),
    },
    "empty_text": {
        "fr": (
            "un texte vide est une valeur inconnue.",
            'Employez {{"$exists": false}}, ou {{"$exists": true}} pour le contraire.',
        ),
        "en": (
            "an empty text is an unknown value.",
            'Use {{"$exists": false}}, or {{"$exists": true}} for its opposite.',
        ),
    },
    "outer_spaces": {
        "fr": (
            "ce motif commence ou finit par une espace, qu'une règle ignore.",
            "Retirez cette espace, ou déclarez une caractéristique oui/non.",
        ),
        "en": (
            "this pattern starts or ends with a space, which a rule ignores.",
            "Leave out that space, or declare a yes/no trait.",
        ),
    },
    "options": {
        "fr": ("$options {found} change le sens du motif.", "Seul « i » (sans égard à la casse) convient."),
        "en": ("$options {found} changes what the pattern means.", "Only “i” (any case) fits."),
    },
    "options_alone": {
        "fr": ("$options accompagne $regex.", "Ajoutez $regex, ou retirez $options."),
        "en": ("$options goes with $regex.", "Add $regex, or leave $options out."),
    },
    "no_group_name": {
        "fr": ("un groupe se désigne par son nom.", 'Écrivez {{"$inGroup": "nom"}}.'),
        "en": ("a group is called by its name.", 'Write {{"$inGroup": "name"}}.'),
    },
    "no_groups": {
        "fr": ("les groupes sont un objet JSON.", 'Écrivez par exemple {{"villes": ["Nantes", "Angers"]}}.'),
        "en": ("groups are a JSON object.", 'Write for instance {{"cities": ["Nantes", "Angers"]}}.'),
    },
    "unknown_group": {
        "fr": (
            "il n'y a pas de groupe « {found} ».",
            "Donnez les groupes enregistrés avec la condition ; il y a {names}.",
        ),
        "en": ("there is no group “{found}”.", "Give the groups with the condition; there is {names}."),
    },
    "no_date": {
        "fr": (
            "ce n'est ni un jour ni un instant.",
            "Écrivez 2026-11-22, ou un instant avec son décalage : 2026-11-22T08:30:00Z.",
        ),
        "en": (
            "this is neither a day nor an instant.",
            "Write 2026-11-22, or an instant with its offset: 2026-11-22T08:30:00Z.",
        ),
    },
    "no_text": {
        "fr": ("ce texte contient un caractère qu'aucun texte n'a (NUL ou une moitié de paire).", "Retirez-le."),
        "en": ("this text holds a character that no text has (NUL or half a pair).", "Remove it."),
    },
    "no_number": {
        "fr": ("ce nombre est infini ou trop grand.", "Écrivez un nombre de moins de 300 chiffres."),
        "en": ("this number is infinite or too large.", "Write a number of fewer than 300 digits."),
    },
    "empty_name": {
        "fr": ("ce chemin est vide.", "Nommez une caractéristique."),
        "en": ("this path is empty.", "Name a trait or feature."),
    },
}
