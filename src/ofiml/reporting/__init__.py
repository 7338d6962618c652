"""Verdict, tables, figures and files of a study, from its report."""
