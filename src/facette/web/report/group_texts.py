"""The fixed texts of the report about groups that were found: how, and who is in them."""

from __future__ import annotations

from facette.definitions.model import Language

GROUP_TEXTS: dict[str, dict[Language, str]] = {
    # ── the number of groups ────────────────────────────────────────────────────────────────────────────────────────
    "choice_by_silhouette": {"fr": "là où la silhouette est la plus haute", "en": "where the silhouette is highest"},
    "choice_by_elbow": {"fr": "là où la dispersion fait un coude", "en": "where the spread has its elbow"},
    "choice_by_gap": {
        "fr": "d'après la statistique de l'écart, qui compare à des données sans structure",
        "en": "by the gap statistic, which compares with data without any structure",
    },
    "choice_by_bic": {
        "fr": "d'après le critère BIC, qui pèse la vraisemblance contre le nombre de paramètres",
        "en": "by the BIC, which weighs likelihood against the number of parameters",
    },
    "choice_no_gap": {
        "fr": " ; mais la statistique de l'écart ne voit aucun groupe",
        "en": "; but the gap statistic sees no groups at all",
    },
    # ── methods ─────────────────────────────────────────────────────────────────────────────────────────────────────
    "comparison": {"fr": "Méthodes comparées", "en": "Methods compared"},
    "comparison_intro": {
        "fr": "Toutes les méthodes ont cherché des groupes parmi les mêmes profils. Sont publiés ceux de la méthode "
        "« {method} », la meilleure selon : {objective}. Silhouette, validité (des zones vides entre les groupes), "
        "stabilité (un groupe retrouvé dans d'autres échantillons, indice de Jaccard ; dissous sous 0,5) et accord "
        "(indice de Rand ajusté) : plus haut est mieux, 1 au plus. Davies-Bouldin : plus bas est mieux. "
        "Calinski-Harabasz : plus haut est mieux.",
        "en": "All methods looked for groups among the same profiles. Those of “{method}” are published, the best by "
        "{objective}. Silhouette, validity (how empty it is between groups), stability (a group that comes again from "
        "other samples, Jaccard index; below 0.5 it is dissolved) and agreement (adjusted Rand index): higher is "
        "better, 1 at most. Davies–Bouldin: lower is better. Calinski–Harabasz: higher is better.",
    },
    "comparison_caption": {
        "fr": "Une ligne par méthode, en gras celle qui est publiée ; une marque par mesure, plus à droite est mieux.",
        "en": "A row per method, in bold the one that is published; a mark per measure, farther right is better.",
    },
    "comparison_alt": {"fr": "Mesures de {methods}.", "en": "Measures of {methods}."},
    "method": {"fr": "Méthode", "en": "Method"},
    "method_kmeans": {"fr": "k-means", "en": "k-means"},
    "method_gaussian_mixture": {"fr": "mélange gaussien", "en": "Gaussian mixture"},
    "method_dbscan": {"fr": "DBSCAN", "en": "DBSCAN"},
    "method_hdbscan": {"fr": "HDBSCAN", "en": "HDBSCAN"},
    "method_agglomerative": {"fr": "classification hiérarchique", "en": "agglomerative"},
    "method_autoencoder": {"fr": "auto-encodeur", "en": "autoencoder"},
    "method_effect": {"fr": "Effet sur l'indicateur ({measure})", "en": "Effect on the indicator ({measure})"},
    "davies_bouldin": {"fr": "Davies-Bouldin", "en": "Davies–Bouldin"},
    "calinski_harabasz": {"fr": "Calinski-Harabasz", "en": "Calinski–Harabasz"},
    "validity": {"fr": "Validité", "en": "Validity"},
    "stability": {"fr": "Stabilité", "en": "Stability"},
    "rand": {"fr": "Accord", "en": "Agreement"},
    "smallest_group": {"fr": "Plus petit groupe", "en": "Smallest group"},
    "in_no_group": {"fr": "Sans groupe", "en": "In no group"},
    "nothing_found": {"fr": "aucun groupe trouvé", "en": "no groups found"},
    "objective_silhouette": {"fr": "la silhouette", "en": "the silhouette"},
    "objective_davies_bouldin": {"fr": "l'indice de Davies-Bouldin", "en": "the Davies–Bouldin index"},
    "objective_calinski_harabasz": {"fr": "l'indice de Calinski-Harabasz", "en": "the Caliński–Harabasz index"},
    "objective_validity": {"fr": "la validité", "en": "the validity"},
    "objective_stability": {"fr": "la stabilité", "en": "the stability"},
    "objective_effect": {"fr": "l'effet sur l'indicateur", "en": "the effect on the indicator"},
    "parameter_radius": {"fr": "rayon", "en": "radius"},
    "parameter_minimum_points": {"fr": "voisins", "en": "neighbours"},
    "parameter_minimum_size": {"fr": "taille minimale", "en": "least size"},
    "parameter_linkage": {"fr": "lien", "en": "linkage"},
    "parameter_code": {"fr": "nombres du code", "en": "numbers in the code"},
    "linkage_ward": {"fr": "Ward", "en": "Ward"},
    "linkage_average": {"fr": "moyen", "en": "average"},
    # ── hierarchy ───────────────────────────────────────────────────────────────────────────────────────────────────
    "hierarchy": {"fr": "Hiérarchie des groupes", "en": "Hierarchy of the groups"},
    "hierarchy_caption": {
        "fr": "En bas, {leaves} petits groupes avec leur nombre de profils de l'échantillon ; chaque crochet en réunit "
        "deux, d'autant plus haut qu'ils diffèrent. Le trait en pointillé est la coupe qui donne les groupes.",
        "en": "At the bottom {leaves} small groups with their numbers of profiles in the sample; each bracket joins "
        "two, the higher the more they differ. The dashed line is the cut that gives the groups.",
    },
    "hierarchy_alt": {
        "fr": "Dendrogramme de {leaves} feuilles, coupé en {groups} groupes.",
        "en": "Dendrogram of {leaves} leaves, cut into {groups} groups.",
    },
    "hierarchy_height": {"fr": "Écart", "en": "Distance"},
    # ── from one fit to the next ────────────────────────────────────────────────────────────────────────────────────
    "shift_title": {"fr": "Depuis l'ajustement précédent", "en": "Since the previous fit"},
    "shift": {
        "fr": "Les mêmes profils, par les groupes d'avant et par ceux d'aujourd'hui : {share} ont changé de groupe.",
        "en": "The same profiles, by the groups of before and by those of today: {share} changed group.",
    },
    "fate_stayed": {"fr": "{share} y sont restés", "en": "{share} stayed"},
    "fate_moved": {"fr": "{share} sont passés au {group}", "en": "{share} went to {group}"},
    "fate_none": {"fr": "{share} ne sont plus dans aucun groupe", "en": "{share} are in no group any more"},
    "fate_empty": {"fr": "plus personne n'y était", "en": "nobody was in it any more"},
    # ── who a group is ──────────────────────────────────────────────────────────────────────────────────────────────
    "no_group": {"fr": "Sans groupe", "en": "In no group"},
    "no_group_note": {
        "fr": "Trop loin de tous les groupes pour être dans l'un d'eux (numéro 0 dans les règles).",
        "en": "Too far from all groups to be in one of them (number 0 in rules).",
    },
    "group_steady": {"fr": "Groupe stable ({jaccard}).", "en": "A stable group ({jaccard})."},
    "group_shaky": {"fr": "Groupe peu stable ({jaccard}).", "en": "Not a very stable group ({jaccard})."},
    "group_dissolved": {
        "fr": "Groupe instable : d'autres échantillons ne le retrouvent pas ({jaccard}).",
        "en": "An unstable group: other samples do not find it again ({jaccard}).",
    },
    "portrait": {"fr": "Comparés aux autres : {listed}.", "en": "Compared with the others: {listed}."},
    "portrait_nobody": {"fr": "Comme tout le monde", "en": "Like everybody"},
    "portrait_nothing": {
        "fr": "Rien ne les distingue nettement des autres.",
        "en": "Nothing sets them clearly apart from the others.",
    },
    "count_more_large": {"fr": "beaucoup {trait}", "en": "many {trait}"},
    "count_more_medium": {"fr": "nettement plus {trait}", "en": "clearly more {trait}"},
    "count_more_small": {"fr": "un peu plus {trait}", "en": "slightly more {trait}"},
    "count_less_large": {"fr": "très peu {trait}", "en": "very few {trait}"},
    "count_less_medium": {"fr": "nettement moins {trait}", "en": "clearly fewer {trait}"},
    "count_less_small": {"fr": "un peu moins {trait}", "en": "slightly fewer {trait}"},
    "recency_more_large": {"fr": "{event} : il y a très longtemps", "en": "{event} very long ago"},
    "recency_more_medium": {"fr": "{event} : il y a longtemps", "en": "{event} long ago"},
    "recency_more_small": {"fr": "{event} : il y a un peu plus longtemps", "en": "{event} slightly longer ago"},
    "recency_less_large": {"fr": "{event} : tout récemment", "en": "{event} very lately"},
    "recency_less_medium": {"fr": "{event} : récemment", "en": "{event} lately"},
    "recency_less_small": {"fr": "{event} : un peu plus récemment", "en": "{event} slightly more lately"},
    "number_more_large": {"fr": "{trait} bien au-dessus", "en": "{trait} well above"},
    "number_more_medium": {"fr": "{trait} au-dessus", "en": "{trait} above"},
    "number_more_small": {"fr": "{trait} un peu au-dessus", "en": "{trait} slightly above"},
    "number_less_large": {"fr": "{trait} bien en dessous", "en": "{trait} well below"},
    "number_less_medium": {"fr": "{trait} en dessous", "en": "{trait} below"},
    "number_less_small": {"fr": "{trait} un peu en dessous", "en": "{trait} slightly below"},
    "trait_true": {"fr": "{often} « {trait} »", "en": "{often} “{trait}”"},
    "trait_level": {"fr": "{often} « {level} » ({trait})", "en": "{often} “{level}” ({trait})"},
    "often_more_large": {"fr": "bien plus souvent", "en": "much more often"},
    "often_more_medium": {"fr": "plus souvent", "en": "more often"},
    "often_more_small": {"fr": "un peu plus souvent", "en": "slightly more often"},
    "often_less_large": {"fr": "bien moins souvent", "en": "much less often"},
    "often_less_medium": {"fr": "moins souvent", "en": "less often"},
    "often_less_small": {"fr": "un peu moins souvent", "en": "slightly less often"},
}
