"""What a part costs now, and how sure that is: observed prices, one estimate of them, where more come from."""
