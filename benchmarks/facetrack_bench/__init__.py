"""Measures facetrack's speed, memory and growth; ``facetrack bench`` runs it."""
