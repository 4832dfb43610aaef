"""The frozen records that cross floors, and their JSON codec.

A record holds; functions elsewhere compute. Every record of the line
``policy -> plan -> run -> comparison -> verdicts -> report`` can be written to JSON and read back
with ``lens_gate.records.codec``.
"""
