"""The commands: arguments, output, exit codes. No other package imports it but the doors, or imports argparse."""
