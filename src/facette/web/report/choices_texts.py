"""The fixed texts of the report about how a score was chosen, in French and in English."""

from __future__ import annotations

from facette.definitions.model import Language

CHOICES: dict[str, dict[Language, str]] = {
    "algorithm_logistic": {"fr": "régression logistique", "en": "logistic regression"},
    "algorithm_random_forest": {"fr": "forêt aléatoire", "en": "random forest"},
    "algorithm_lightgbm": {"fr": "arbres boostés (LightGBM)", "en": "boosted trees (LightGBM)"},
    "algorithm_xgboost": {"fr": "arbres boostés (XGBoost)", "en": "boosted trees (XGBoost)"},
    "algorithm_neural": {"fr": "réseau de neurones", "en": "neural net"},
    "interval": {"fr": "Intervalle à 95 %", "en": "95% interval"},
    "roc": {"fr": "Trouvés contre fausses alertes", "en": "Found against false alarms"},
    "roc_caption": {
        "fr": "Courbe ROC : pour chaque seuil, la part trouvée de ceux qui l'ont fait (en ordonnée) et la part retenue "
        "à tort des autres (en abscisse). La bande est l'intervalle à 95 %, par tirages de personnes.",
        "en": "ROC curve: for each threshold, the share found of those who did it (up) and the share taken by mistake "
        "of the others (across). The band is the 95% interval, from samples of people.",
    },
    "roc_alt": {
        "fr": "Courbe ROC, fausses alertes → trouvés : {listed}.",
        "en": "ROC curve, false alarms → found: {listed}.",
    },
    "false_alarms": {"fr": "Fausses alertes", "en": "False alarms"},
    "found": {"fr": "Trouvés", "en": "Found"},
    "hits": {"fr": "Justes parmi les retenus", "en": "Right among those taken"},
    "precision_recall": {"fr": "Justesse contre couverture", "en": "Precision against recall"},
    "precision_recall_caption": {
        "fr": "Pour trouver cette part de ceux qui l'ont fait (en abscisse), la part des profils retenus qui l'ont "
        "vraiment fait (en ordonnée) : {average} en moyenne, entre {low} et {high} avec 95 % de certitude ; au hasard, "
        "{base}.",
        "en": "To find this share of those who did it (across), the share of the profiles taken who really did it "
        "(up): {average} on average, between {low} and {high} with 95% confidence; at random, {base}.",
    },
    "precision_recall_alt": {
        "fr": "Courbe précision-rappel, trouvés → justes : {listed}.",
        "en": "Precision-recall curve, found → right: {listed}.",
    },
    "compared": {"fr": "Les algorithmes comparés", "en": "The algorithms compared"},
    "compared_caption": {
        "fr": "Tous sont jugés à l'examen, sur des dates dont ils n'ont rien appris. Est publié celui dont la perte "
        "logarithmique est la plus basse en validation croisée : l'examen juge et ne choisit rien.",
        "en": "All are judged at the test, on dates that nothing was learned from. The one with the least log loss in "
        "cross-validation is published: the test judges and chooses nothing.",
    },
    "algorithm": {"fr": "Algorithme", "en": "Algorithm"},
    "cross_validated": {"fr": "Perte en validation croisée", "en": "Log loss, cross-validated"},
    "roc_auc": {"fr": "AUC ROC", "en": "ROC AUC"},
    "pr_auc": {"fr": "AUC PR", "en": "PR AUC"},
    "log_loss": {"fr": "Perte logarithmique", "en": "Log loss"},
    "brier": {"fr": "Brier", "en": "Brier"},
    "calibration_error": {"fr": "Erreur de calibration", "en": "Calibration error"},
    "is_published": {"fr": "{algorithm} – publié", "en": "{algorithm} – published"},
    "searched": {
        "fr": "{algorithm} : {trials} réglages essayés par {library}, perte en validation croisée de {defaults} "
        "(réglage par défaut) à {best} ({parameters}).",
        "en": "{algorithm}: {trials} settings tried by {library}, cross-validated log loss from {defaults} (defaults) "
        "to {best} ({parameters}).",
    },
    "selection": {"fr": "Les caractéristiques retenues", "en": "The features kept"},
    "selection_rfe": {
        "fr": "Par élimination successive, la moins utile d'abord : {kept} sur {all}. Perte en validation croisée : "
        "{before} avec toutes, {after} avec celles-ci.",
        "en": "By elimination, the least useful first: {kept} of {all}. Cross-validated log loss: {before} with all, "
        "{after} with these.",
    },
    "selection_lasso": {
        "fr": "Par le LASSO, dont la pénalité ramène à zéro ce qui ne sert pas : {kept} sur {all}. Perte en validation "
        "croisée : {before} avec toutes, {after} avec celles-ci.",
        "en": "By the LASSO, whose penalty brings to zero what is of no use: {kept} of {all}. Cross-validated log "
        "loss: {before} with all, {after} with these.",
    },
    "selection_importance": {
        "fr": "Par importance de permutation – ce que l'on perd à mélanger une caractéristique : {kept} sur {all}. "
        "Perte en validation croisée : {before} avec toutes, {after} avec celles-ci.",
        "en": "By permutation importance – what is lost when a feature is shuffled: {kept} of {all}. Cross-validated "
        "log loss: {before} with all, {after} with these.",
    },
    "selection_gain": {
        "fr": "Par gain des arbres – le moins possible de caractéristiques, celles qui gagnent le plus d'abord : "
        "{kept} sur {all}. Perte d'une régression logistique en validation croisée : {before} avec toutes, {after} "
        "avec celles-ci.",
        "en": "By the gain of trees – as few features as do no worse, those that gain most first: {kept} of {all}. "
        "Cross-validated log loss of a logistic regression: {before} with all, {after} with these.",
    },
    "kept_feature": {"fr": "gardée", "en": "kept"},
    "left_out_feature": {"fr": "écartée", "en": "left out"},
    "why_rfe": {"fr": "perte sans elle : {value}", "en": "log loss without it: {value}"},
    "why_rfe_last": {"fr": "parmi les dernières restées", "en": "among the last that stay"},
    "why_lasso": {"fr": "poids pénalisé : {value}", "en": "penalised weight: {value}"},
    "why_importance": {
        "fr": "perte ajoutée si on la mélange : {value} (au moins {low} avec 95 % de certitude)",
        "en": "log loss added by shuffling it: {value} (at least {low} with 95% confidence)",
    },
    "why_gain": {"fr": "part du gain des arbres : {value}", "en": "share of the gain of the trees: {value}"},
    "why_ignored": {"fr": "toujours inconnue ou toujours la même", "en": "always unknown or always the same"},
    "feature_column": {"fr": "Caractéristique", "en": "Feature"},
    "choice_column": {"fr": "Choix", "en": "Choice"},
    "influences": {"fr": "Ce qui pèse le plus dans le score", "en": "What weighs most in the score"},
    "influences_caption": {
        "fr": "De combien chaque caractéristique déplace la cote (en logarithme), vers le haut ou vers le bas, en "
        "moyenne sur un échantillon de l'examen (valeurs de Shapley).",
        "en": "By how much each feature moves the log-odds, up or down, on average over a sample of the test (Shapley "
        "values).",
    },
    "influences_alt": {"fr": "Barres : {listed}.", "en": "Bars: {listed}."},
    "splits": {"fr": "Ce dont les arbres se servent le plus", "en": "What the trees use most"},
    "splits_caption": {
        "fr": "La part de chaque caractéristique dans ce que les coupures des arbres ont gagné sur les lignes "
        "apprises. Elle avantage celles qui ont beaucoup de valeurs : l'influence, mesurée à l'examen, dit mieux ce "
        "qui pèse.",
        "en": "The share of each feature in what the splits of the trees gained on the rows learned from. It favours "
        "features with many values: the influence, measured on the test, tells better what weighs.",
    },
    "split_axis": {"fr": "Part du gain", "en": "Share of the gain"},
    "split_kind": {"fr": "part du gain", "en": "share of the gain"},
    "influence_axis": {"fr": "Déplacement moyen de la cote (log)", "en": "Mean move of the log-odds"},
    "influence_kind": {"fr": "influence moyenne", "en": "mean influence"},
}
