"""The report's texts about customer value, composites, versions of models and drift, in French and in English."""

from __future__ import annotations

from facette.definitions.model import Language

MODEL_TEXTS: dict[str, dict[Language, str]] = {
    # ── value ───────────────────────────────────────────────────────────────────────────────────────────────────────
    "customer_value": {"fr": "Valeur des clients", "en": "Customer value"},
    "value_facts": {
        "fr": "Ce que chaque client devrait dépenser dans les {horizon} à venir, d'après ses dates et ses montants "
        "d'achat (BG/NBD et Gamma-Gamma). Les achats d'un même jour comptent pour un.",
        "en": "What each customer is expected to spend in the next {horizon}, by the days and amounts of their "
        "purchases (BG/NBD and Gamma-Gamma). Purchases of one day count as one.",
    },
    "value_total": {
        "fr": "{customers} clients devraient dépenser {total} en tout, {mean} chacun en moyenne ; {alive} d'entre eux "
        "sont probablement encore clients.",
        "en": "{customers} customers are expected to spend {total} in all, {mean} each on average; {alive} of them are "
        "probably customers still.",
    },
    "value_holdout": {
        "fr": "Mise à l'épreuve : avec ce qu'on savait le {day}, le même modèle annonçait {foretold} par client pour "
        "les {horizon} suivants ; chacun a dépensé {came} en moyenne ({bias}).",
        "en": "Put to the test: from what was known on {day}, the same model foretold {foretold} per customer for the "
        "{horizon} that followed; each spent {came} on average ({bias}).",
    },
    "value_no_holdout": {
        "fr": "Pas encore mise à l'épreuve : l'historique est trop court pour un horizon entier.",
        "en": "Not put to the test yet: the history is too short for a whole horizon.",
    },
    "value_correlation": {
        "fr": "Le modèle suppose que le montant ne dépend pas de la fréquence : la corrélation est de {value}.",
        "en": "The model assumes that the amount does not depend on the frequency: the correlation is {value}.",
    },
    "value_correlated": {
        "fr": "C'est trop : la valeur de ceux qui achètent le plus souvent est mal estimée.",
        "en": "That is too much: the value of those who buy most often is estimated badly.",
    },
    "value_repeats": {"fr": "Réachats à cette date", "en": "Repeat purchases by then"},
    "value_customers": {"fr": "Clients", "en": "Customers"},
    "value_purchases_foretold": {"fr": "Achats prévus", "en": "Purchases foretold"},
    "value_purchases_came": {"fr": "Achats constatés", "en": "Purchases made"},
    "value_foretold": {"fr": "Montant prévu", "en": "Amount foretold"},
    "value_came": {"fr": "Montant constaté", "en": "Amount spent"},
    "or_more": {"fr": "{n} ou plus", "en": "{n} or more"},
    "range_below": {"fr": "moins de {high}", "en": "less than {high}"},
    "range_from": {"fr": "{low} et plus", "en": "{low} and more"},
    "range_between": {"fr": "de {low} à moins de {high}", "en": "{low} to less than {high}"},
    "range_all": {"fr": "toutes les valeurs", "en": "all values"},
    # ── composites ──────────────────────────────────────────────────────────────────────────────────────────────────
    "composites": {"fr": "Scores composés", "en": "Composite scores"},
    "composite_facts": {
        "fr": "De 0 à 100, la moyenne pondérée de {parts} notes ; moyenne actuelle : {mean}.",
        "en": "From 0 to 100, the weighted mean of {parts} scores; mean now: {mean}.",
    },
    "composite_part": {"fr": "Composante", "en": "Part"},
    "composite_weight": {"fr": "Poids", "en": "Weight"},
    "composite_scale": {"fr": "Échelle", "en": "Scale"},
    "composite_adds": {"fr": "Apport moyen", "en": "Adds on average"},
    "scale_percentile": {"fr": "rang parmi les profils", "en": "rank among the profiles"},
    "scale_minmax": {"fr": "de {low} à {high}", "en": "from {low} to {high}"},
    "scale_cuts": {"fr": "paliers : {cuts}", "en": "cuts: {cuts}"},
    "scale_reversed": {"fr": "{scale}, inversée", "en": "{scale}, reversed"},
    # ── versions ────────────────────────────────────────────────────────────────────────────────────────────────────
    "versions": {"fr": "Versions des modèles", "en": "Versions of the models"},
    "versions_intro": {
        "fr": "Chaque version est conservée ; « facette models rollback » revient à une version précédente.",
        "en": "Every fit is kept. “facette models rollback” goes back to an earlier one.",
    },
    "versions_chosen": {
        "fr": "La version {version} a été choisie ; elle reste jusqu'à « facette models release ».",
        "en": "Version {version} was chosen; it stays until “facette models release”.",
    },
    "versions_version": {"fr": "Version", "en": "Version"},
    "versions_fitted": {"fr": "Ajustée le", "en": "Fitted as of"},
    "versions_rows": {"fr": "Lignes", "en": "Rows"},
    "versions_figures": {"fr": "Mesures", "en": "Figures"},
    "versions_applied": {"fr": "appliquée", "en": "applied"},
    "versions_other": {"fr": "autre définition", "en": "other definition"},
    # ── drift ───────────────────────────────────────────────────────────────────────────────────────────────────────
    "drift": {"fr": "Ce qui a bougé depuis l'ajustement", "en": "What has moved since the fit"},
    "drift_intro": {
        "fr": "Indice de stabilité de population (Siddiqi 2006) de ce que chaque modèle regarde et de ce qu'il dit, "
        "comparés à ce qu'ils étaient lors de son ajustement : stable sous {watch}, à surveiller au-delà, déplacé à "
        "partir de {moved}.",
        "en": "Population stability index (Siddiqi 2006) of what each model looks at and of what it says, against its "
        "fit: stable below {watch}, to be watched, then moved from {moved} on.",
    },
    "drift_column": {"fr": "Colonne", "en": "Column"},
    "drift_role": {"fr": "Rôle", "en": "Role"},
    "drift_input": {"fr": "entrée", "en": "input"},
    "drift_output": {"fr": "sortie", "en": "output"},
    "drift_index": {"fr": "Indice", "en": "Index"},
    "drift_level": {"fr": "État", "en": "State"},
    "drift_stable": {"fr": "stable", "en": "stable"},
    "drift_watch": {"fr": "à surveiller", "en": "to be watched"},
    "drift_moved": {"fr": "déplacé", "en": "moved"},
    "drift_promise": {
        "fr": "Promesse du {day} : le score annonçait {foretold} en moyenne, {observed} l'ont fait ({profiles}). "
        "Erreur de calibration : {error} points, pour {promised} promis. État : {level}.",
        "en": "Promise of {day}: the score foretold {foretold} on average, {observed} did it ({profiles}). Calibration "
        "error: {error} points, where {promised} were promised. State: {level}.",
    },
    "input_repeats": {"fr": "Réachats", "en": "Repeat purchases"},
    "input_recency": {"fr": "Jours du premier au dernier achat", "en": "Days from first to last purchase"},
    "input_age": {"fr": "Jours depuis le premier achat", "en": "Days since the first purchase"},
    "input_mean": {"fr": "Montant moyen d'un réachat", "en": "Mean amount of a repeat"},
    "output_purchases": {"fr": "{model} : achats", "en": "{model}: purchases"},
    "output_alive": {"fr": "{model} : encore client", "en": "{model}: still a customer"},
    # ── figures of versions ─────────────────────────────────────────────────────────────────────────────────────────
    "figure_clusters": {"fr": "groupes", "en": "groups"},
    "figure_silhouette": {"fr": "silhouette", "en": "silhouette"},
    "figure_davies_bouldin": {"fr": "Davies-Bouldin", "en": "Davies–Bouldin"},
    "figure_roc_auc": {"fr": "AUC ROC", "en": "ROC AUC"},
    "figure_average_precision": {"fr": "précision moyenne", "en": "average precision"},
    "figure_brier": {"fr": "Brier", "en": "Brier"},
    "figure_expected_calibration_error": {"fr": "erreur de calibration", "en": "calibration error"},
    "figure_mean_purchase": {"fr": "achat moyen", "en": "mean purchase"},
    "figure_correlation": {"fr": "corrélation", "en": "correlation"},
    "figure_purchase_bias": {"fr": "écart sur les achats", "en": "bias of purchases"},
    "figure_value_bias": {"fr": "écart sur les montants", "en": "bias of amounts"},
    "figure_rows": {"fr": "profils", "en": "profiles"},
    "figure_sampled": {"fr": "profils tirés pour l'ajustement", "en": "profiles sampled"},
    "figure_components": {"fr": "axes", "en": "axes"},
    "figure_outliers": {"fr": "éloignés de tous", "en": "far from all"},
}
