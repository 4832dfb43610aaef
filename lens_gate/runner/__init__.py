"""asyncio and the clock: sends the load of a plan, times it, keeps to the caps, writes it down.

The runner never judges: ``after_block`` is asked after each sample whether to stop a cell.
"""
