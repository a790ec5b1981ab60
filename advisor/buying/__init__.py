"""What to buy: whole builds of parts that go together, ranked, and what another part would change."""
