"""Plain French material: names, places, products, and what customers write in surveys."""
# ruff: noqa: SIM905  (a text of names reads better than a list of quoted ones)

from __future__ import annotations

WOMEN = (
    "Marie Camille Léa Chloé Manon Inès Zoé Élodie Céline Hélène Françoise Agnès Béatrice Aurélie Noémie Chantal "
    "Sandrine Valérie Nathalie Isabelle Sylvie Martine Émilie Charlotte Juliette Louise Alice Jeanne Lucie Anaïs "
    "Océane Margaux Clémence Mathilde Amélie Fatima Leïla Yasmine Aïcha Solène Maëlle Gwenaëlle Églantine Brigitte"
).split()
MEN = (
    "Jean Pierre Lucas Hugo Léo Théo Gaël Jérôme Rémi Benoît François André René Stéphane Sébastien Frédéric Cédric "
    "Loïc Maël Noé Raphaël Mickaël Thierry Philippe Alain Bernard Michel Patrick Nicolas Julien Antoine Maxime Thomas "
    "Alexandre Romain Guillaume Mehdi Karim Youssef Mohamed Baptiste Grégoire Tanguy Yann"
).split()
FIRST_NAMES = WOMEN + MEN
LAST_NAMES = (
    "Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefèvre Michel Garcia David "
    "Bertrand Roux Vincent Fournier Morel Girard André Mercier Dupont Lambert Bonnet François Martinez Legrand Garnier "
    "Faure Rousseau Blanc Guérin Muller Henry Roussel Nicolas Perrin Morin Mathieu Clément Gauthier Dumont Lopez "
    "Fontaine Chevalier Robin Masson Sanchez Gérard Nguyen Boyer Denis Lemaire Duval Joly Gautier Roger Roche Roy Noël "
    "Meyer Lucas Meunier Jean Perez Marchand Dufour Blanchard Marie Barbier Brun Dumas Brunet Schmitt Leroux Colas "
    "Fernandez Renard Arnaud Rolland Caron Aubert Giraud Leclerc Vidal Bourgeois Renaud Lemoine Picard Gaillard "
    "Philippe Leclercq Lacroix Fabre Dupuis Olivier Rodriguez Besson Hubert Charpentier Lévêque Benoît Rivière Maréchal"
).split()
STREETS = (
    "rue de la République;avenue Victor-Hugo;rue Pasteur;boulevard Voltaire;rue de l'Église;place du Marché;"
    "chemin des Vignes;rue des Écoles;impasse des Lilas;allée des Tilleuls;rue Jean-Jaurès;quai de la Fosse;"
    "rue du Général-de-Gaulle;avenue de la Gare;rue Sainte-Anne;cours Lafayette;rue du Bœuf;route de Brest"
).split(";")
CITIES = (
    ("75011", "Paris"), ("75015", "Paris"), ("75018", "Paris"), ("69003", "Lyon"), ("69007", "Lyon"),
    ("13001", "Marseille"), ("13008", "Marseille"), ("31000", "Toulouse"), ("06000", "Nice"), ("44000", "Nantes"),
    ("34000", "Montpellier"), ("67000", "Strasbourg"), ("33000", "Bordeaux"), ("59000", "Lille"), ("35000", "Rennes"),
    ("51100", "Reims"), ("42000", "Saint-Étienne"), ("76600", "Le Havre"), ("83000", "Toulon"), ("38000", "Grenoble"),
    ("21000", "Dijon"), ("49000", "Angers"), ("30000", "Nîmes"), ("63000", "Clermont-Ferrand"), ("29200", "Brest"),
    ("37000", "Tours"), ("87000", "Limoges"), ("80000", "Amiens"), ("57000", "Metz"), ("25000", "Besançon"),
    ("01000", "Bourg-en-Bresse"), ("64100", "Bayonne"), ("20000", "Ajaccio"), ("97400", "Saint-Denis"),
)  # fmt: skip
DOMAINS = ("gmail.com", "orange.fr", "free.fr", "hotmail.fr", "laposte.net", "yahoo.fr", "sfr.fr", "outlook.fr")
MISTYPED_DOMAINS = ("gmial.com", "orange.ft", "fre.fr", "hotmal.fr", "lapost.net", "yaho.fr", "sfr.f", "outlok.fr")

CATEGORIES = ("épicerie", "beauté", "mode", "chaussures", "maison", "high-tech", "maroquinerie", "bijoux")
FAMILIES = ("quotidien", "quotidien", "habillement", "habillement", "équipement", "équipement", "luxe", "luxe")
MARGINS = (0.22, 0.45, 0.50, 0.42, 0.38, 0.15, 0.60, 0.65)
PRODUCTS = (  # five per category, with their price in euros
    ("Thé noir", 14), ("Miel de lavande", 11), ("Huile d'olive", 18), ("Chocolat noir", 9), ("Coffret apéritif", 24),
    ("Crème de jour", 26), ("Savon de Marseille", 12), ("Sérum", 34), ("Parfum", 46), ("Baume à lèvres", 10),
    ("Marinière", 39), ("Robe d'été", 59), ("Jean droit", 69), ("Chemise en lin", 55), ("Écharpe", 29),
    ("Baskets", 75), ("Espadrilles", 35), ("Bottines", 95), ("Sandales", 45), ("Mocassins", 85),
    ("Lampe de table", 65), ("Plaid en laine", 55), ("Vase", 49), ("Cocotte en fonte", 85), ("Coussin", 45),
    ("Enceinte", 89), ("Casque", 99), ("Chargeur", 55), ("Montre connectée", 129), ("Clavier", 69),
    ("Sac à main", 260), ("Portefeuille", 130), ("Cartable", 290), ("Ceinture", 120), ("Trousse de voyage", 150),
    ("Bague", 240), ("Collier", 280), ("Boucles d'oreilles", 160), ("Bracelet", 190), ("Montre", 320),
)  # fmt: skip

THEMES = ("prix", "livraison", "qualité", "service")
SENTIMENTS = ("négatif", "neutre", "positif")
ANSWERS = {
    ("prix", "négatif"): ("Beaucoup trop cher pour ce que c'est.", "Les prix ont encore augmenté, c'est abusé."),
    ("prix", "neutre"): ("Prix dans la moyenne, sans plus.", "Ni cher ni bon marché."),
    ("prix", "positif"): ("Excellent rapport qualité-prix !", "De vraies bonnes affaires, merci pour la remise."),
    ("livraison", "négatif"): ("Colis arrivé avec dix jours de retard.", "Livraison catastrophique, carton abîmé."),
    ("livraison", "neutre"): ("Livraison dans les délais annoncés.", "Colis reçu, rien à signaler."),
    ("livraison", "positif"): ("Livraison très rapide, bravo !", "Reçu en 24 h, emballage soigné."),
    ("qualité", "négatif"): ("Qualité décevante, déjà cassé.", "La couture a lâché au premier lavage."),
    ("qualité", "neutre"): ("Qualité correcte.", "Conforme à la photo, finitions moyennes."),
    ("qualité", "positif"): ("Très belle matière, finitions superbes.", "Produit solide et de grande qualité."),
    ("service", "négatif"): ("Le service client ne répond jamais.", "Accueil désagréable en magasin."),
    ("service", "neutre"): ("Le conseiller a répondu à ma question.", "Service habituel."),
    ("service", "positif"): ("Vendeuse adorable et de bon conseil.", "Service client à l'écoute, je recommande."),
}
OPENINGS = ("", "Bonjour, ", "À mon avis : ", "Franchement, ")
MOTIVES = ("prix", "éthique", "style", "qualité", "proximité")
SOURCES = ("direct", "recherche", "comparateur", "réseaux sociaux", "e-mail", "publicité")
PLATFORMS = ("meta", "google", "tiktok")
