"""The fixed texts of the report, in French and in English."""

from __future__ import annotations

from facette.definitions.model import Language
from facette.web.report.choices_texts import CHOICES
from facette.web.report.group_texts import GROUP_TEXTS
from facette.web.report.model_texts import MODEL_TEXTS
from facette.web.report.run_texts import RUN_TEXTS

REASONS = {
    "row refused": "ligne refusée",
    "value unknown": "valeur inconnue",
    "clock corrected": "horloge corrigée",
    "no identifier": "aucun identifiant",
    "no instant": "aucun instant",
    "not an instant": "pas un instant",
    "not an instant, so that nobody knows when it was known": "pas un instant : on ne sait pas quand elle a été connue",
    "happened more than a day after it was received": "survenu plus d'un jour après sa réception",
    "happened after it was received, which is taken instead": "survenu après sa réception, qui est prise à la place",
    "no valid value, and one is required": "pas de valeur valable, et il en faut une",
    "not a number": "pas un nombre",
    "neither yes nor no": "ni oui ni non",
    "not a date": "pas une date",
    "not an e-mail address": "pas une adresse e-mail",
    "not a phone number": "pas un numéro de téléphone",
    "out of bounds": "hors des bornes",
    "too far from the others": "trop loin des autres",
    "identifies nobody": "n'identifie personne",
    "look for what is new": "recherche des nouveautés",
    "rebuild": "refait",
    "add": "complété",
    "skip": "laissé tel quel",
    "first run": "premier calcul",
    "everything anew, as asked": "tout refait, sur demande",
    "time passed": "le temps a passé",
    "no new event, no window moved": "aucun événement nouveau, aucune fenêtre déplacée",
    "no source has anything new": "aucune source n'a de nouveauté",
    "nothing before it changed": "rien n'a changé avant",
    "another version of Facette made the tables": "les tables viennent d'une autre version de Facette",
    "sources, identifiers or people settings changed": "les sources, les identifiants ou les réglages ont changé",
    "files that were read before have changed": "des fichiers déjà lus ont changé",
    "tables that events look things up in have changed": "des tables de correspondance ont changé",
    "aggregates of the features or rules changed": "les agrégats des caractéristiques ou des règles ont changé",
    "what lay in the future has happened": "ce qui était à venir s'est produit",
    "the instant lies before the published one": "l'instant précède celui qui est publié",
    "the instant lies before the published one, and the history after it is forgotten": "l'instant précède celui qui "
    "est publié, et l'historique d'après est oublié",
    "with the models there are while they are young": "avec les modèles en place tant qu'ils sont jeunes",
    "those fitted are kept while they are young": "ceux qui sont ajustés restent tant qu'ils sont jeunes",
    "features changed": "les caractéristiques ont changé",
    "models changed": "les modèles ont changé",
    "fitted anew, as asked": "réentraîné, sur demande",
    "another version was chosen": "une autre version a été choisie",
    "what was held back is judged again": "ce qui était retenu est jugé à nouveau",
    "segments changed": "les segments ont changé",
    "validation or labels changed": "la validation ou les libellés ont changé",
    "new links took a profile apart": "de nouveaux liens ont séparé un profil",
}
"""What cleaning and plans say of their reasons, in French; what is missing here is shown as it was given."""
PHRASES = {"new from ": "nouveautés : ", "to be read": "à lire", " records wait": " enregistrements en attente"}
"""The same, of what stands beside names and numbers."""

TEXTS: dict[str, dict[Language, str]] = {
    # ── header ──────────────────────────────────────────────────────────────────────────────────────────────────────
    "and": {"fr": "et", "en": "and"},
    "or": {"fr": "ou", "en": "or"},
    "yes": {"fr": "oui", "en": "yes"},
    "no": {"fr": "non", "en": "no"},
    "title": {"fr": "Segmentation – {project}", "en": "Segmentation – {project}"},
    "segmentation": {"fr": "Rapport de segmentation", "en": "Segmentation report"},
    "as_of": {"fr": "Situation du {instant}", "en": "As of {instant}"},
    "end_of_day": {"fr": "{day} au soir", "en": "the end of {day}"},
    "day_and_time": {"fr": "{day} à {time}", "en": "{day} at {time}"},
    "time_zone": {"fr": "fuseau horaire {zone}", "en": "time zone {zone}"},
    "nav_glance": {"fr": "En un coup d'œil", "en": "At a glance"},
    "nav_cards": {"fr": "Qui est qui", "en": "Who is who"},
    "nav_rfm": {"fr": "Récence × fréquence", "en": "Recency × frequency"},
    "nav_clusterings": {"fr": "Groupes", "en": "Groups"},
    "nav_quality": {"fr": "Données", "en": "Data"},
    "footer": {
        "fr": "Ce fichier se suffit à lui-même : il ne demande rien à Internet et peut être transmis tel quel.",
        "en": "This file is complete in itself: it asks nothing of the Internet and can be passed on as it is.",
    },
    "contents": {"fr": "Sommaire", "en": "Contents"},
    "no_script": {
        "fr": "Les graphiques demandent JavaScript ; les tableaux et les textes se lisent sans.",
        "en": "The pictures need JavaScript; tables and texts can be read without it.",
    },
    "population": {"fr": "Profils comptés", "en": "Profiles counted"},
    "population_all": {"fr": "tous les profils", "en": "all profiles"},
    "population_of": {
        "fr": "ceux dont on connaît : {kinds} – sur {total} en tout",
        "en": "those known by {kinds} – out of {total} in all",
    },
    "segments_figure": {"fr": "Segments", "en": "Segments"},
    "segments_worth": {"fr": "dont {n} jugés utiles", "en": "{n} of them found worth having"},
    "segments_unjudged": {"fr": "aucun indicateur pour les juger", "en": "no indicator to judge them by"},
    "covered": {"fr": "Dans au moins un segment", "en": "In at least one segment"},
    "covered_all": {"fr": "chaque profil est visé par une règle", "en": "some rule is about every profile"},
    "covered_note": {
        "fr": "{members} ; les autres ne sont visés par aucune règle",
        "en": "{members}; no rule is about the others",
    },
    "moves": {"fr": "Mouvements", "en": "Moves"},
    "moves_note": {
        "fr": "entrées et sorties depuis le calcul précédent",
        "en": "entries and exits since the run before",
    },
    "first_run": {
        "fr": "premier calcul : les mouvements se verront au prochain",
        "en": "first run: moves show from the next one on",
    },
    "live_moves": {"fr": "Mouvements en direct", "en": "Live moves"},
    "live_moves_note": {
        "fr": "entrées et sorties depuis ce calcul, jusqu'au {instant}",
        "en": "entries and exits since this run, until {instant}",
    },
    "live_now": {"fr": "en direct", "en": "live"},
    "kpi_mean": {"fr": "{kpi}, en moyenne", "en": "{kpi}, on average"},
    "kpi_median": {"fr": "{kpi}, en médiane", "en": "{kpi}, median"},
    "kpi_note": {"fr": "l'indicateur qui sert à juger les segments", "en": "the indicator that segments are judged by"},
    # ── at a glance ─────────────────────────────────────────────────────────────────────────────────────────────────
    "glance": {"fr": "Les segments en un coup d'œil", "en": "Segments at a glance"},
    "glance_intro": {
        "fr": "Du plus grand au plus petit. Un profil peut être dans plusieurs segments : les parts ne s'additionnent "
        "pas.",
        "en": "Largest first. A profile may be in several segments, so the shares do not add up.",
    },
    "no_segments": {"fr": "Le projet ne définit aucun segment.", "en": "The project defines no segment."},
    "segment": {"fr": "Segment", "en": "Segment"},
    "rule": {"fr": "Règle", "en": "Rule"},
    "members": {"fr": "Profils", "en": "Profiles"},
    "share": {"fr": "Part", "en": "Share"},
    "entered": {"fr": "Entrés", "en": "Entered"},
    "left": {"fr": "Sortis", "en": "Left"},
    "evolution": {"fr": "Évolution", "en": "Trend"},
    "evolution_alt": {
        "fr": "De {first} à {last} profils en {runs}",
        "en": "From {first} to {last} profiles over {runs}",
    },
    "verdict": {"fr": "Verdict", "en": "Verdict"},
    "inside": {"fr": "dedans", "en": "inside"},
    "outside": {"fr": "ailleurs", "en": "outside"},
    "new_moves": {"fr": "nouveau", "en": "new"},
    "verdict_worth": {"fr": "Utile", "en": "Worth having"},
    "verdict_weak": {"fr": "Peu distinct", "en": "Weak"},
    "verdict_small": {"fr": "Trop petit", "en": "Too small"},
    "verdict_empty": {"fr": "Vide", "en": "Empty"},
    "verdict_unknown": {"fr": "Non jugé", "en": "Not judged"},
    "sizes": {"fr": "Taille des segments", "en": "Size of the segments"},
    "sizes_caption": {
        "fr": "Chaque barre est un segment ; sa longueur est le nombre de profils qui y sont. La couleur dit le "
        "verdict.",
        "en": "Each bar is a segment, as long as it has profiles. The colour tells the verdict.",
    },
    "sizes_alt": {"fr": "Barres : {listed}.", "en": "Bars: {listed}."},
    "history": {"fr": "Taille au fil des calculs", "en": "Size from run to run"},
    "history_caption": {
        "fr": "Chaque point est un calcul. Les {shown} plus grands segments sont tracés ; cliquez sur un nom de la "
        "légende pour en montrer ou en cacher un.",
        "en": "Each point is a run. The {shown} largest segments are drawn; click on a name of the legend to show or "
        "hide one.",
    },
    "history_alt": {
        "fr": "Courbes de taille de {segments} sur {runs}.",
        "en": "Size curves of {segments} over {runs}.",
    },
    "history_single": {
        "fr": "L'historique commence avec ce calcul ; les courbes apparaîtront au prochain.",
        "en": "The history begins with this run; curves appear from the next one on.",
    },
    # ── worth ───────────────────────────────────────────────────────────────────────────────────────────────────────
    "nav_worth": {"fr": "Ce qu'ils valent", "en": "Worth"},
    "worth": {"fr": "Ce que valent les segments", "en": "What the segments are worth"},
    "worth_intro": {
        "fr": "Un segment est utile s'il fait une différence, s'il reste stable, et s'il dit plus que celui dont il "
        "fait partie. Chaque intervalle contient la vraie valeur 95 fois sur 100.",
        "en": "A segment is worth having if it makes a difference, if it lasts, and if it says more than the one it is "
        "part of. Each interval holds the true value 95 times in 100.",
    },
    "effect_on": {"fr": "Effet sur « {kpi} »", "en": "Effect on “{kpi}”"},
    "effect_told_median": {
        "fr": "δ = {effect} [{low} ; {high}] ; explique {share} des différences",
        "en": "δ = {effect} [{low}; {high}]; accounts for {share} of the differences",
    },
    "effect_told_mean": {
        "fr": "d = {effect} [{low} ; {high}] ; explique {share} des différences",
        "en": "d = {effect} [{low}; {high}]; accounts for {share} of the differences",
    },
    "stability": {"fr": "Stabilité", "en": "Stability"},
    "stability_fixed": {"fr": "règle fixe", "en": "fixed rule"},
    "stability_follows": {"fr": "trop peu de profils pour le dire", "en": "too few profiles to say"},
    "stability_learned": {"fr": "selon le modèle", "en": "as the model is"},
    "stays": {"fr": "Restent d'un calcul à l'autre", "en": "Stay from run to run"},
    "test_column": {"fr": "Test A/B lisible en", "en": "A/B test readable in"},
    "test_never": {"fr": "jamais", "en": "never"},
    "test_unknown": {"fr": "on ne sait pas encore", "en": "not known yet"},
    "remarks": {"fr": "À savoir", "en": "Worth knowing"},
    "forest": {"fr": "Tous les effets, avec leurs intervalles", "en": "All effects, with their intervals"},
    "forest_caption": {
        "fr": "Chaque point compare les membres d'un segment à tous les autres : {measure}. Un trait qui touche le 0 "
        "est un effet qui peut être nul.",
        "en": "Each point compares the members of a segment with everybody else: {measure}. A line that touches 0 is "
        "an effect that may be none.",
    },
    "forest_alt": {"fr": "Effets de {segments}, avec intervalles.", "en": "Effects of {segments}, with intervals."},
    "forest_median": {
        "fr": "à droite de 0, un membre dépasse plus souvent un autre profil que l'inverse (δ de Cliff, de −1 à 1)",
        "en": "to the right of 0 a member exceeds another profile more often than not (Cliff's δ, −1 to 1)",
    },
    "forest_mean": {
        "fr": "l'écart des moyennes, en écarts-types (d de Cohen)",
        "en": "the difference of the means, in standard deviations (Cohen's d)",
    },
    "forest_median_axis": {"fr": "δ de Cliff", "en": "Cliff's δ"},
    "forest_mean_axis": {"fr": "d de Cohen", "en": "Cohen's d"},
    "held": {"fr": "Retenus", "en": "Held back"},
    "held_hold": {"fr": "La version d'avant reste.", "en": "The version before stays."},
    "held_ask": {
        "fr": "La version d'avant reste ; `facette approve {name}` laisse passer la nouvelle.",
        "en": "The version before stays; `facette approve {name}` lets the new one through.",
    },
    # ── cards ───────────────────────────────────────────────────────────────────────────────────────────────────────
    "cards": {"fr": "Qui est dans chaque segment", "en": "Who each segment is"},
    "cards_intro": {
        "fr": "Ce qui distingue le plus les membres du reste des profils : moyennes et parts, chez eux contre "
        "ailleurs. Barre vers la droite : plus élevé ou plus fréquent chez eux ; vers la gauche : moins. Sa longueur "
        "est la force de l'écart (d de Cohen), sur la même échelle partout. Ce qui dit presque la même chose n'est "
        "dit qu'une fois.",
        "en": "What sets members apart most from all other profiles: means and shares, among them against elsewhere. "
        "A bar to the right: higher or more frequent among them; to the left: less. Its length is the strength of the "
        "difference (Cohen's d), on one scale throughout. What says nearly the same is said once.",
    },
    "versus": {"fr": "{inside} contre {outside}", "en": "{inside} against {outside}"},
    "known_of": {
        "fr": "connu pour {inside}, ailleurs pour {outside}",
        "en": "known of {inside}, elsewhere of {outside}",
    },
    "trait_title": {"fr": "{strength} (d = {effect})", "en": "{strength} (d = {effect})"},
    "strength_large": {"fr": "écart fort", "en": "large difference"},
    "strength_medium": {"fr": "écart moyen", "en": "medium difference"},
    "strength_small": {"fr": "écart faible", "en": "small difference"},
    "strength_slight": {"fr": "écart infime", "en": "slight difference"},
    "no_traits": {
        "fr": "Rien à comparer : il faut au moins {n} valeurs connues dedans, et autant ailleurs.",
        "en": "Nothing to compare: at least {n} known values are needed inside, and as many elsewhere.",
    },
    "parent": {"fr": "fait partie de", "en": "part of"},
    "children": {"fr": "contient", "en": "contains"},
    # ── RFM ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    "rfm": {"fr": "Récence et fréquence", "en": "Recency and frequency"},
    "rfm_caption": {
        "fr": "Chaque case croise {recency} (de gauche à droite) et {frequency} (de bas en haut), de 1, le moins bon, "
        "à {groups}. Le premier nombre est celui des profils ; la couleur, du clair au foncé, dit {colour}.",
        "en": "Each cell crosses {recency} (across) and {frequency} (up), from 1, the worst, to {groups}. The first "
        "number is that of profiles; the colour, from light to dark, tells {colour}.",
    },
    "rfm_reading": {
        "fr": "En haut à droite, ceux qui sont venus récemment et souvent ({best}) ; en haut à gauche, les habitués "
        "que l'on ne voit plus ({lost}).",
        "en": "At the top right, those who came lately and often ({best}); at the top left, regulars who are no "
        "longer seen ({lost}).",
    },
    "rfm_alt": {
        "fr": "Carte de chaleur de {groups} cases sur {groups}, {members}.",
        "en": "Heat map of {groups} by {groups} cells, {members}.",
    },
    "rfm_across": {
        "fr": "{score}\n1 : il y a longtemps – {groups} : récemment",
        "en": "{score}\n1: long ago – {groups}: lately",
    },
    "rfm_up": {"fr": "{score}\n1 : rarement – {groups} : souvent", "en": "{score}\n1: seldom – {groups}: often"},
    "rfm_scale_members": {"fr": "Nombre de profils", "en": "Number of profiles"},
    "rfm_colour_members": {"fr": "le nombre de profils", "en": "the number of profiles"},
    "rfm_colour_kpi": {"fr": "la moyenne de « {kpi} », écrite dessous", "en": "the mean of “{kpi}”, written below it"},
    # ── clusterings ─────────────────────────────────────────────────────────────────────────────────────────────────
    "clusterings": {"fr": "Groupes trouvés dans les données", "en": "Groups found in the data"},
    "group": {"fr": "Groupe {number}", "en": "Group {number}"},
    "clustering_facts": {
        "fr": "{groups} trouvés d'après {features}, sur {rows} ({method}).",
        "en": "{groups} found from {features}, among {rows} ({method}).",
    },
    "map": {"fr": "Carte des profils", "en": "Map of the profiles"},
    "map_caption": {
        "fr": "Chaque point est un profil d'un échantillon ; deux points proches se ressemblent. Des taches de "
        "couleur bien séparées sont de bons groupes. La carte montre {explained} des différences.",
        "en": "Each point is a profile of a sample; points close together are alike. Well separated patches of colour "
        "are good groups. The map shows {explained} of the differences.",
    },
    "map_alt": {"fr": "Nuage de {points} points en {groups}.", "en": "Scatter of {points} points in {groups}."},
    # ── maps ────────────────────────────────────────────────────────────────────────────────────────────────────────
    "maps": {"fr": "Cartes", "en": "Maps"},
    "maps_facts": {
        "fr": "{axes} résument {share} de ce qui distingue {rows} les uns des autres.",
        "en": "{axes} sum up {share} of what tells {rows} apart.",
    },
    "maps_outliers": {
        "fr": "{outliers} très éloignés des autres : au-delà de ce qu'un profil sur mille dépasserait si les axes "
        "suivaient une loi normale.",
        "en": "{outliers} far from all others: beyond what one profile in a thousand would exceed were the axes "
        "normally distributed.",
    },
    "axes_title": {"fr": "Les axes, et ce dont ils sont faits", "en": "The axes, and what they are made of"},
    "axes_caption": {
        "fr": "Corrélation de chaque caractéristique (en ligne) avec chaque axe (en colonne), de −1 à 1 ; plus c'est "
        "foncé, plus l'axe en dépend. Sous chaque axe, sa part de ce qui distingue les profils.",
        "en": "Correlation of each feature (rows) with each axis (columns), from −1 to 1; the darker, the more the "
        "axis depends on it. Below each axis, its share of what tells profiles apart.",
    },
    "axes_alt": {"fr": "Tableau des corrélations avec {axes}.", "en": "Table of correlations with {axes}."},
    "axis": {"fr": "Axe {number} : {name}", "en": "Axis {number}: {name}"},
    "axis_up": {"fr": "+ {name}", "en": "+ {name}"},
    "axis_down": {"fr": "− {name}", "en": "− {name}"},
    "axis_share": {"fr": "axe {number} ({share})", "en": "axis {number} ({share})"},
    "map_pca": {"fr": "Sur les axes principaux (ACP, varimax)", "en": "On the main axes (PCA, varimax)"},
    "map_umap": {"fr": "Par voisinage (UMAP)", "en": "By neighbourhood (UMAP)"},
    "map_tsne": {"fr": "Par voisinage proche (t-SNE)", "en": "By close neighbourhood (t-SNE)"},
    "map_in": {"fr": "{method}, {dimensions} dimensions", "en": "{method}, {dimensions} dimensions"},
    "map_faith": {
        "fr": "{points} profils tirés au sort. Fidélité des voisinages : {trust} sur 1.",
        "en": "{points} profiles drawn by lot. Faithfulness of neighbourhoods: {trust} of 1.",
    },
    "map_turn": {"fr": " Faites tourner la carte avec la souris.", "en": " Turn the map with the mouse."},
    "map_coloured": {"fr": " Couleurs : {colour}.", "en": " Colours: {colour}."},
    "map_everybody": {"fr": "profils", "en": "profiles"},
    "map_outlier": {"fr": "éloignés de tous", "en": "far from all"},
    "map_member": {"fr": "membres", "en": "members"},
    "map_other": {"fr": "les autres", "en": "others"},
    "choice": {"fr": "Combien de groupes", "en": "How many groups"},
    "choice_caption": {
        "fr": "À gauche, la netteté des groupes (silhouette, plus haut est mieux) ; à droite, la dispersion qui reste "
        "à l'intérieur. {chosen} ont été retenus, {why}.",
        "en": "On the left, how distinct the groups are (silhouette, higher is better); on the right, the spread that "
        "remains within. {chosen} were taken, {why}.",
    },
    "choice_elbow_same": {"fr": " ; le coude de la dispersion dit de même", "en": "; the elbow of the spread agrees"},
    "choice_elbow": {
        "fr": " ; le coude de la dispersion en suggérait {elbow}",
        "en": "; the elbow of the spread suggested {elbow}",
    },
    "choice_alt": {
        "fr": "Silhouette selon le nombre de groupes : {listed}.",
        "en": "Silhouette by number of groups: {listed}.",
    },
    "silhouette": {"fr": "Silhouette", "en": "Silhouette"},
    "inertia": {"fr": "Dispersion (inertie)", "en": "Spread (inertia)"},
    "number_of_groups": {"fr": "Nombre de groupes", "en": "Number of groups"},
    "average": {"fr": "Moyennes : {listed}", "en": "Averages: {listed}"},
    # ── scores ──────────────────────────────────────────────────────────────────────────────────────────────────────
    "said": {"fr": "Ce que disent les textes", "en": "What texts say"},
    "nav_said": {"fr": "Textes", "en": "Texts"},
    "said_intro": {
        "fr": "Thèmes et ressenti lus dans ce que les gens écrivent. Leurs mots ne sont pas montrés : ce sont des "
        "données personnelles.",
        "en": "Themes and feelings read from what people write. Their words are not shown: they are personal data.",
    },
    "said_caption": {
        "fr": "Chaque barre compte les textes, {n} en tout.",
        "en": "Each bar counts texts, {n} in all.",
    },
    "said_caption_mood": {
        "fr": "Chaque barre compte les textes, {n} en tout, selon leur ressenti.",
        "en": "Each bar counts texts, {n} in all, by how they sound.",
    },
    "said_alt": {"fr": "Textes : {listed}.", "en": "Texts: {listed}."},
    "said_others": {"fr": "autres", "en": "others"},
    "said_none": {"fr": "sans thème reconnu", "en": "nothing recognised"},
    "texts_said": {"fr": "Textes", "en": "Texts"},
    "mood_negative": {"fr": "négatif", "en": "negative"},
    "mood_neutral": {"fr": "neutre", "en": "neutral"},
    "mood_positive": {"fr": "positif", "en": "positive"},
    "scores": {"fr": "Scores", "en": "Scores"},
    "score_facts": {
        "fr": "Probabilité, sur 100, de faire « {event} » dans les {horizon}.",
        "en": "The chance in 100 of doing “{event}” within {horizon}.",
    },
    "score_top": {
        "fr": "Parmi les 10 % de profils les mieux notés se trouvent {gain} de ceux qui l'ont fait : {lift} fois plus "
        "qu'au hasard.",
        "en": "The 10% of profiles with the best scores hold {gain} of those who did it: {lift} times as many as "
        "chance would give.",
    },
    "score_half": {
        "fr": "S'adresser aux 30 % les mieux notés touche {gain} d'entre eux.",
        "en": "Addressing the 30% with the best scores reaches {gain} of them.",
    },
    "score_rank": {
        "fr": "De deux profils dont l'un l'a fait et l'autre non, le score place le bon devant {auc} fois sur 100 (AUC "
        "{value}, entre {low} et {high} avec 95 % de certitude).",
        "en": "Of two profiles of which one did it, the score puts the right one first {auc} times in 100 (AUC "
        "{value}, between {low} and {high} with 95% confidence).",
    },
    "score_honest": {
        "fr": "Quand le score annonce une probabilité, il se trompe en moyenne de {error} points ; au pire, pour "
        "{profiles}, il annonçait {announced} et {observed} l'ont fait.",
        "en": "Where the score announces a probability, it is off by {error} points on average; at worst, for "
        "{profiles}, it announced {announced} and {observed} did it.",
    },
    "calibration": {"fr": "Le score dit-il vrai ?", "en": "Does the score mean what it says?"},
    "calibration_caption": {
        "fr": "Chaque point réunit des profils de score voisin : en abscisse ce que le score annonçait, en ordonnée "
        "la part qui l'a vraiment fait. Sur la diagonale, le score dit vrai ; au-dessus, il est trop prudent.",
        "en": "Each point gathers profiles with neighbouring scores: across, what the score announced; up, the share "
        "that really did it. On the diagonal the score is right; above it, too cautious.",
    },
    "calibration_alt": {
        "fr": "Courbe de calibration : annoncé et observé, {listed}.",
        "en": "Calibration curve: announced and observed, {listed}.",
    },
    "announced": {"fr": "Annoncé", "en": "Announced"},
    "observed": {"fr": "Observé", "en": "Observed"},
    "perfect": {"fr": "Score parfait", "en": "Perfect score"},
    "with_score": {"fr": "Avec le score", "en": "With the score"},
    "at_random": {"fr": "Au hasard", "en": "At random"},
    "lift": {"fr": "Taux par dixième", "en": "Rate by tenth"},
    "lift_caption": {
        "fr": "Les profils rangés du meilleur score (1) au moins bon (10), en dixièmes. La barre est la part de "
        "chaque dixième qui l'a fait ; le trait, celle de tous ({base}).",
        "en": "Profiles from the best score (1) to the worst (10), in tenths. The bar is the share of each tenth that "
        "did it; the line, that of all ({base}).",
    },
    "lift_alt": {"fr": "Barres : {listed}.", "en": "Bars: {listed}."},
    "gain": {"fr": "Part de ceux qui l'ont fait", "en": "Share of those who did it"},
    "gain_caption": {
        "fr": "En s'adressant à cette part des profils, les mieux notés d'abord (en abscisse), on touche cette part "
        "de ceux qui l'ont fait (en ordonnée). La diagonale est ce que donnerait le hasard.",
        "en": "Addressing this share of the profiles, best scored first (across), reaches this share of those who did "
        "it (up). The diagonal is what chance would give.",
    },
    "gain_alt": {"fr": "Courbe de gain : {listed}.", "en": "Gain curve: {listed}."},
    "tenth": {"fr": "Dixième", "en": "Tenth"},
    "addressed": {"fr": "Profils touchés", "en": "Profiles addressed"},
    "did": {"fr": "L'ont fait", "en": "Did it"},
    "rate": {"fr": "Taux", "en": "Rate"},
    "lift_column": {"fr": "Fois le hasard", "en": "Times chance"},
    "figures": {"fr": "Chiffres par dixième", "en": "Figures by tenth"},
    "weights": {"fr": "Ce qui fait monter et descendre le score", "en": "What raises and lowers the score"},
    "weights_caption": {
        "fr": "À droite, ce qui augmente la chance quand il est plus élevé ; à gauche, ce qui la diminue. Toutes "
        "choses égales par ailleurs, pour un écart habituel (un écart-type). La cote, ce sont les chances de le faire "
        "contre celles de ne pas le faire.",
        "en": "To the right, what raises the chance when it is higher; to the left, what lowers it. All else being "
        "equal, for a usual difference (one standard deviation). The odds are the chances of doing it against those of "
        "not doing it.",
    },
    "chance_times": {"fr": "cote × {times}", "en": "odds × {times}"},
    "unknown_feature": {"fr": "{feature} : valeur inconnue", "en": "{feature}: unknown"},
    "unknown_together": {"fr": "{feature} : inconnus ensemble", "en": "{feature}: unknown together"},
    "bands_now": {"fr": "Aujourd'hui", "en": "Today"},
    "band": {"fr": "Score", "en": "Score"},
    "band_from": {"fr": "de {low} à {high}", "en": "{low} to {high}"},
    "learned": {
        "fr": "Appris par {algorithm} sur {rows} ({positives} l'ont fait), vus le {fit}. {calibrated} Jugé sur "
        "{test_rows} vus le {test}, dont rien n'a servi à apprendre.{purged}",
        "en": "Learned by {algorithm} from {rows} ({positives} did it), seen on {fit}. {calibrated} Judged on "
        "{test_rows} seen on {test}, of which nothing was learned.{purged}",
    },
    "calibrated_instant": {
        "fr": "Calibré sur les données du {days} {way}.",
        "en": "Calibrated on data of {days} {way}.",
    },
    "calibrated_folds": {"fr": "Calibré par validation croisée {way}.", "en": "Calibrated by cross-validation {way}."},
    "calibrated_platt": {"fr": "par la méthode de Platt", "en": "by Platt's method"},
    "calibrated_isotonic": {"fr": "par régression isotone", "en": "by isotonic regression"},
    "purged": {
        "fr": " Écartées, car trop proches de l'examen : les données du {days}.",
        "en": " Left out, being too close to the test: data of {days}.",
    },
    "not_fitted": {
        "fr": "Ce modèle n'a pas encore pu être calculé : il ne donne aucune valeur.",
        "en": "This model could not be fitted yet: it gives no value.",
    },
    # ── overlaps ────────────────────────────────────────────────────────────────────────────────────────────────────
    "overlaps": {"fr": "Recouvrements", "en": "Overlaps"},
    "overlaps_caption": {
        "fr": "Lisez une ligne : la part des profils de ce segment qui sont aussi dans celui de la colonne. Plus la "
        "case est foncée, plus cette part est grande.",
        "en": "Read along a row: the share of that segment's profiles who are in the column's as well. The darker the "
        "cell, the larger the share.",
    },
    "overlaps_left_out": {"fr": "Pas sur la carte : {listed}.", "en": "Not on the map: {listed}."},
    "overlaps_smallest": {
        "fr": "{segments} parmi les plus petits (elle en montre {most} au plus)",
        "en": "{segments} of the smallest (it shows {most} at most)",
    },
    "overlaps_empty": {"fr": "{segments} où il n'y a personne", "en": "{segments} that nobody is in"},
    "overlaps_alt": {"fr": "Carte de chaleur de {segments}.", "en": "Heat map of {segments}."},
    "largest_overlaps": {"fr": "Les plus grands recouvrements", "en": "The largest overlaps"},
    "overlap": {
        "fr": "« {a} » et « {b} » ont {both} en commun : {of_a} du premier, {of_b} du second.",
        "en": "“{a}” and “{b}” share {both}: {of_a} of the former, {of_b} of the latter.",
    },
    "same_people": {"fr": "Ce sont presque les mêmes gens.", "en": "They are almost the same people."},
    "no_overlaps": {
        "fr": "Aucun segment n'a de profil en commun avec un autre.",
        "en": "No segment shares a profile with another.",
    },
}
TEXTS |= RUN_TEXTS | MODEL_TEXTS | CHOICES | GROUP_TEXTS
