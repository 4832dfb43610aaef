"""What is measured, in numbers: names, derivation, arms, tables, prices and the money's arithmetic.

Pure. ``catalogue`` names the metrics; ``derive`` takes one sample apart into its numbers; ``arms``
builds what the judge compares, and stored baselines; ``summary`` the tables; ``pricing`` owns the
price table; ``ledger`` keeps a run inside its caps. Import the module that you need: the price
table and numpy are heavy, and not all of them need either.
"""
