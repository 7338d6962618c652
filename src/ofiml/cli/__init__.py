"""The commands: arguments, output, exit codes. The only package that imports Hydra and argparse."""
