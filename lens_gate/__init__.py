"""llm-latency-lens: the performance gate for LLM calls."""

__version__ = "0.1.0"
