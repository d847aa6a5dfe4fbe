"""One module per group of commands. Each imports typer only; whatever is heavy is imported when a command runs."""
