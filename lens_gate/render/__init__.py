"""Reports, plans and stored runs to text and bytes, pure.

``markdown.markdown`` is the summary, ``terminal.terminal`` its counterpart for a terminal,
``report_json`` writes and reads the report itself; ``plan.plan_text``, ``stored.stored_listing``
and ``stored.stored_run`` show what is planned and what is stored. Each is imported from its module,
so that nobody pays for a renderer that is not used.

A renderer shows; every number and sentence was settled in the report. Foreign text (names, models,
server messages) passes ``lens_gate.render.escape`` for its medium, always.
"""
