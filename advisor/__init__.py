"""Answers: what hardware does with a language model, how fast, and what to buy."""
