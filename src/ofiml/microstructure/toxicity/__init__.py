"""Toxicity of flow: PIN, VPIN, and trade sides for feeds that do not state them."""
