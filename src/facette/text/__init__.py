"""What texts say: language, sentiment, themes and intents, read from each text by itself."""
