"""The verbs of the command line that have more to say than a few lines."""
