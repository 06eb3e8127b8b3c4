"""Mistakes that the author of the diagnosis has not read: they say how it does on new ones."""

from __future__ import annotations
