"""What a part costs now, and how sure that is: observed prices, one honest estimate of them, and where more come from."""
