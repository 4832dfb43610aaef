"""A report and its requests as other programs read them: one visible table, a module a format.

Pure. ``table`` lists the formats; ``of_report`` and ``of_requests`` say once which numbers there
are for programs that keep series of them, ``columns`` which a request has for those that keep rows.
Numbers stand as the report has them: nothing is rounded, and nothing is computed twice.
"""
