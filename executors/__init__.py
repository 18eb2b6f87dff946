"""Doing work: tasks and their states, runners, pipelines, capture of what a run used."""
