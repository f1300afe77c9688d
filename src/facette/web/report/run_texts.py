"""The fixed texts of the report about the quality of the data and about the run, in French and in English."""

from __future__ import annotations

from facette.definitions.model import Language

RUN_TEXTS: dict[str, dict[Language, str]] = {
    # ── quality ─────────────────────────────────────────────────────────────────────────────────────────────────────
    "quality": {"fr": "Qualité des données", "en": "Data quality"},
    "quality_intro": {
        "fr": "Ce que le nettoyage a fait de chaque source. Rien n'est perdu en silence : ce qui est écarté ou rendu "
        "inconnu est listé plus bas.",
        "en": "What cleaning made of each source. Nothing is lost in silence: what was put aside or made unknown is "
        "listed below.",
    },
    "source": {"fr": "Source", "en": "Source"},
    "step": {"fr": "Étape", "en": "Step"},
    "rows_in": {"fr": "Lignes avant", "en": "Rows before"},
    "rows_out": {"fr": "Lignes après", "en": "Rows after"},
    "effect": {"fr": "Ce qui a été fait", "en": "What was done"},
    "was_left_out": {"fr": "laissées de côté", "en": "left out"},
    "was_matched": {"fr": "rapprochées", "en": "matched"},
    "was_unmatched": {"fr": "sans correspondance", "en": "not found"},
    "was_tidied": {"fr": "valeurs mises au propre", "en": "values tidied"},
    "was_made_unknown": {"fr": "valeurs rendues inconnues", "en": "values made unknown"},
    "was_flagged": {"fr": "valeurs signalées, gardées telles quelles", "en": "values flagged, kept as they are"},
    "was_clipped": {"fr": "valeurs ramenées à la limite", "en": "values moved to the bound"},
    "was_corrected": {"fr": "instants corrigés", "en": "instants corrected"},
    "was_changed": {"fr": "valeurs modifiées", "en": "values changed"},
    "was_refused": {"fr": "refusées", "en": "refused"},
    "was_removed": {"fr": "retirées", "en": "removed"},
    "step_only": {"fr": "Choix des lignes", "en": "Choice of rows"},
    "step_lookup": {"fr": "Rapprochement avec {what}", "en": "Lookup in {what}"},
    "step_text": {"fr": "Textes mis au propre", "en": "Texts tidied"},
    "step_type": {"fr": "Valeurs illisibles : {what}", "en": "Unreadable values: {what}"},
    "step_range": {"fr": "Valeurs absurdes : {what}", "en": "Absurd values: {what}"},
    "step_outlier": {"fr": "Valeurs extrêmes : {what}", "en": "Extreme values: {what}"},
    "step_blocked": {"fr": "Identifiants qui n'identifient personne : {what}", "en": "Identifiers of nobody: {what}"},
    "step_clock": {"fr": "Horloges en avance corrigées", "en": "Clocks running ahead corrected"},
    "step_refused": {"fr": "Lignes valables", "en": "Valid rows"},
    "step_duplicates": {"fr": "Doublons retirés", "en": "Duplicates removed"},
    "refusals": {
        "fr": "Ce qui a été écarté ou rendu inconnu, et pourquoi",
        "en": "What was put aside or made unknown, and why",
    },
    "put_aside": {
        "fr": "Lignes écartées : {refused}. Valeurs rendues inconnues : {unknown}.",
        "en": "Rows put aside: {refused}. Values made unknown: {unknown}.",
    },
    "no_refusals": {
        "fr": "Rien n'a été écarté ni rendu inconnu.",
        "en": "Nothing was put aside or made unknown.",
    },
    "reason": {"fr": "Raison", "en": "Reason"},
    "column": {"fr": "Colonne", "en": "Column"},
    "samples": {"fr": "Par exemple", "en": "For example"},
    "rows": {"fr": "Lignes", "en": "Rows"},
    "row_number": {"fr": "ligne {row}", "en": "row {row}"},
    "no_quality": {"fr": "Aucune source n'a été nettoyée.", "en": "No source was cleaned."},
    "identities": {
        "fr": "{identifiers} identifiants reconnus pour {profiles}{refused}.",
        "en": "{identifiers} identifiers recognised as {profiles}{refused}.",
    },
    "links_refused": {
        "fr": " ; {n} rapprochements refusés, car ils auraient réuni des personnes différentes",
        "en": "; {n} links refused, as they would have joined different people",
    },
    "gaps": {"fr": "Ce que les modèles ignorent, et de qui", "en": "What models do not know, and of whom"},
    "gaps_intro": {
        "fr": "Part des profils dont une caractéristique est inconnue, par groupe ; V de Cramér dit de 0 à 1 combien "
        "cela dépend du groupe.",
        "en": "Share of profiles of whom a feature is unknown, by group; Cramér's V tells from 0 to 1 how much that "
        "depends on the group.",
    },
    "gaps_feature": {"fr": "Caractéristique", "en": "Feature"},
    "gaps_everybody": {"fr": "tout le monde", "en": "everybody"},
    "gaps_unknown_group": {"fr": "{group} : valeur inconnue", "en": "{group} unknown"},
    "gaps_level": {"fr": "{group} = {level}", "en": "{group} = {level}"},
    "gaps_who": {"fr": "Qui", "en": "Who"},
    "gaps_share": {"fr": "Inconnue", "en": "Unknown"},
    "gaps_cramer": {"fr": "V de Cramér", "en": "Cramér's V"},
    "reference_title": {"fr": "Face à la population de référence", "en": "Beside the reference population"},
    "reference_share": {"fr": "Part parmi les profils", "en": "Share of profiles"},
    "reference_wanted": {"fr": "Référence", "en": "Reference"},
    "reference_weighted": {"fr": "Après pondération", "en": "After weighting"},
    "reference_unweighted": {
        "fr": "Seul l'apprentissage du modèle est pondéré. Partout ailleurs dans ce rapport (effectifs, portraits, "
        "verdicts, effets et leurs intervalles), chaque profil compte une fois : ces chiffres décrivent vos profils, "
        "non la population de référence.",
        "en": "Only what the model learns from is weighted. Everywhere else in this report (sizes, portraits, "
        "verdicts, effects and their intervals) each profile counts once: those figures describe your profiles, not "
        "the reference population.",
    },
    # ── run ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    "facts": {"fr": "Le calcul", "en": "The run"},
    "run": {"fr": "Identifiant du calcul", "en": "Run"},
    "evaluated_at": {"fr": "Évalué", "en": "Evaluated at"},
    "published_at": {"fr": "Publié", "en": "Published at"},
    "zone": {"fr": "Fuseau horaire", "en": "Time zone"},
    "definitions": {"fr": "Empreinte des définitions", "en": "Fingerprint of the definitions"},
    "version": {"fr": "Version de Facette", "en": "Facette version"},
    "definitions_changed": {
        "fr": "Les définitions ont changé depuis ce calcul : relancez `facette run`.",
        "en": "The definitions have changed since this run: start `facette run` again.",
    },
    "stages": {"fr": "Étapes", "en": "Stages"},
    "stage": {"fr": "Étape", "en": "Stage"},
    "what": {"fr": "Ce qui a été fait", "en": "What was done"},
    "seconds": {"fr": "Durée", "en": "Time"},
    "total": {"fr": "Total", "en": "Total"},
    "models": {"fr": "Modèles", "en": "Models"},
    "model": {"fr": "Modèle", "en": "Model"},
    "model_version": {"fr": "Version", "en": "Version"},
    "after": {"fr": "après l'étape « {stage} »", "en": "after {stage}"},
    "fitted_at": {"fr": "Ajusté le", "en": "Fitted on"},
    "age": {"fr": "Âge", "en": "Age"},
    "refit": {"fr": "Réajusté après", "en": "Fitted again after"},
    "stage_extract": {"fr": "Lecture des sources", "en": "Reading the sources"},
    "stage_clean": {"fr": "Nettoyage", "en": "Cleaning"},
    "stage_people": {"fr": "Personnes", "en": "People"},
    "stage_events": {"fr": "Événements", "en": "Events"},
    "stage_partials": {"fr": "Agrégats", "en": "Aggregates"},
    "stage_features": {"fr": "Caractéristiques", "en": "Features"},
    "stage_models": {"fr": "Modèles", "en": "Models"},
    "stage_segments": {"fr": "Segments", "en": "Segments"},
    "stage_validation": {"fr": "Validation", "en": "Validation"},
}
