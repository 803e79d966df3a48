"""What is on screen. A view shows what its setters are given and says what a hand did; it owns no state."""
