"""The commands of `gantf-eval`: one file per command, and its name is the command's name."""
