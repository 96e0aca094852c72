"""Questions that an assistant asks of the published copy, by the Model Context Protocol: which there are (tools.py), their
arguments (arguments.py), what is answered (answers.py) and what must be said with it (sentences.py), how it is asked
(server.py). Reads, never writes; no SQL comes from outside."""
