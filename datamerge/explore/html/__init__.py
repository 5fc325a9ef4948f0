"""What pages are made of: text made safe, elements, numbers in words, the style they share."""
