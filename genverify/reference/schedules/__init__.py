"""Schedules: the rate at step t, counted from zero, each by the plainest way there is."""
