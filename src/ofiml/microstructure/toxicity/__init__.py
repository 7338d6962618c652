"""Toxicity of flow: PIN, VPIN, and the sides of trades where a feed does not tell them."""
