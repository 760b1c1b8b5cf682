"""Runs the chunks of films: on this thread, in processes, or on a cluster."""
