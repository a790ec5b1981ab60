"""The `advisor` command. Each module here is one command and offers it as `command`, a `click.Command`.

`app` lists them by name and imports only the one that runs.
"""
