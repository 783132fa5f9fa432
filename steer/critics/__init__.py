"""Who looks at the leading picture after a round and says what to change in it."""
