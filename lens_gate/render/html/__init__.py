"""Pages of HTML: whole in one file, no network, foreign text escaped by construction.

``tags`` is the only module that makes markup of text, ``shell.page`` the frame of any page,
``report.report_page`` the report. What they draw comes from ``lens_gate.render.charts``.
"""
