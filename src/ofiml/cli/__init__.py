"""The commands: what is typed, what is printed, exit codes. The only room that knows Hydra and argparse."""
