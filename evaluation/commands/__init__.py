"""The commands of `gantf-eval`: one file, one command, found by its name."""
