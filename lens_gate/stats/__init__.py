"""Numbers only: tests, estimates, intervals and random generators, on numpy and nothing else.

This room knows no word of the domain. It takes arrays and gives numbers; the same arguments give
the same result on every machine. Rooms above it say what the numbers mean.

The modules are the public face (``from lens_gate.stats import holm`` gives the module); nothing is
re-exported, since ``holm`` and ``describe`` would then hide the modules of that name.

``special``      distribution functions: beta, t, normal, binomial, hypergeometric
``signed_rank``  the centre: Hodges-Lehmann, Wilcoxon signed-rank, its interval
``quantiles``    Harrell-Davis, its standard errors, exact bounds and tests
``rates``        Clopper-Pearson, binomial, Fisher, McNemar
``means``        means on the logarithm
``history``      one number against a short series of earlier ones
``holm``         many tests as one family
``rng``          generators seeded by names
``describe``     a sample in eight numbers
``change_points`` where the level of a series changed
``trend``        Theil-Sen and Mann-Kendall
``ecdf``         a whole distribution: its function with a band, counts in bins
"""
