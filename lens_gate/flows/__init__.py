"""The use cases, as steps from one record to the next; the outside world is passed in.

1. ``sources``: which commit decides what; the trusted policy with the head's share.
2. ``planning``, ``preparing``: prices, history, keys, the plan.
3. ``measuring``: the run, and its journal.
4. ``history``, ``judging``: what stands against it, the verdicts, the outcome.
5. ``reporting``, ``outputs``: the report and its files.

``gate`` is all of them; ``baselines`` handles stored runs; ``demo`` plays the whole.
"""
