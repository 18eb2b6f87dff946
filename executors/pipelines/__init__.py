"""Pipelines: Boutiques descriptors, the environments they are pinned to, and those that ship."""
