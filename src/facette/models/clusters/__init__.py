"""Groups of profiles that are alike: found by several methods, compared, and applied as data.

space      : the prepared features' principal components, in which all methods look and all are judged
families   : one file each: centres (k-means), mixture, dendrogram (agglomerative), density, network (autoencoder)
assigners  : how a fitted method puts any profile into a group, in NumPy and, where that is exact and cheap, in SQL
quality, stability, counts, search : how good groups are, and how their number and parameters are chosen
fit, matching, fitted : everything together, what it becomes later, and what is kept of it
"""
