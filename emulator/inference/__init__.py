"""The inference part: generateContent and countTokens."""
