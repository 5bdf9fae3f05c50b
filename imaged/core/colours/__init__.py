"""What files say of their colours, as ICC profiles."""
