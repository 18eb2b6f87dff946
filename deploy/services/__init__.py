"""Real servers for tests and trials: a given URL, else a container, else the server's own files from Maven.

``python -m deploy.services start neo4j`` prints the URL. Each server lies in ``.services/<name>`` with its data, log
and process id; nothing of it is ever part of a release.
"""
