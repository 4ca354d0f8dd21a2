"""The plainest correct implementations. READ THIS FIRST: torch only, never optimised, nothing of ours imported."""
