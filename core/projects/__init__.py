"""What a person makes and arranges, as plain values and as files. No torch."""
